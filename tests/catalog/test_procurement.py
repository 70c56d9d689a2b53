"""procurement.toml to a plan: short forms, money, runs, and every problem at once."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal

import pytest

from powerlab.catalog.procurement import read_plan
from powerlab.catalog.procurement_measured import measured
from powerlab.errors import ProfileError
from powerlab.records import Boundary, Distribution, Evidence
from powerlab.records.procurement import Basis, GuardRule, Sense
from tests.catalog.procurement_files import PLAN, changed, plan_of, problems_of, run_of_a_board

IDLE = "option[1].idle_power_w"
SAME = "equivalent_workloads"
RUN = '[[option]]\nid = "board"\nrun = "abc"\n'


def test_a_short_plan_is_enough(tmp_path):
    """Options, load, horizon and tariff: everything else has a default."""
    plan = plan_of(tmp_path, PLAN)
    assert [option.id for option in plan.options] == ["slow", "fast"]
    assert plan.load.hourly_per_s == (50.0,) * 24
    assert plan.tariff.hourly_per_kwh == (Decimal("0.25"),) * 24
    assert plan.tariff.currency == "EUR"
    assert plan.horizon_years == 3
    assert plan.title == "procurement"
    assert plan.option("fast").life_years.value == 3
    assert plan.option("fast").boundary is Boundary.WALL
    assert plan.option("fast").evidence is Evidence.DECLARED
    assert plan.rule.guard_band is GuardRule.EXPANDED


def test_the_hash_is_that_of_the_file(tmp_path):
    """To the byte: a comment more is another plan."""
    plan = plan_of(tmp_path, PLAN + "# a comment\n")
    assert plan.sha256 == hashlib.sha256((PLAN + "# a comment\n").encode()).hexdigest()


def test_a_figure_has_its_uncertainty_in_one_of_three_ways(tmp_path):
    """Standard uncertainty, its fraction, or bounds between which all is equally likely."""
    fast = plan_of(tmp_path, PLAN).option("fast")
    assert (fast.energy_per_inference_j.value, fast.energy_per_inference_j.u) == (0.58, 0.01)
    assert fast.throughput_per_s.u == pytest.approx(0.13)
    assert fast.power_idle_w.value == 3.5
    assert fast.power_idle_w.u == pytest.approx(1 / math.sqrt(12))
    assert fast.power_idle_w.distribution is Distribution.RECTANGULAR


def test_money_is_decimal_and_as_sure_as_what_it_rests_on(tmp_path):
    """A quote is exact, a list price within 10 %, an estimate within 30 %; u_relative decides."""
    terms = 'price = { unit = 150.10, basis = "quote", quote = "Q-7", date = 2026-10-01 }'
    plan = plan_of(tmp_path, changed('price = "75"', terms))
    price = plan.option("slow").offer.breaks[0].price
    assert price.money.amount == Decimal("150.1")
    assert (price.u_relative, price.input, price.money.date) == (0.0, "quote Q-7", "2026-10-01")
    listed = plan.option("fast").offer.breaks[0].price
    assert listed.basis is Basis.LIST
    assert listed.u_relative == pytest.approx(0.1 / math.sqrt(3))
    guessed = plan_of(tmp_path, PLAN).option("slow").offer.breaks[0].price
    assert guessed.basis is Basis.ESTIMATE
    assert guessed.u_relative == pytest.approx(0.3 / math.sqrt(3))
    told = changed('price = "75"', 'price = { unit = "75", u_relative = 0.02 }')
    assert plan_of(tmp_path, told).option("slow").offer.breaks[0].price.u_relative == 0.02


def test_quantity_breaks_follow_the_price_of_one(tmp_path):
    """On the same terms."""
    terms = """price = { unit = "75", quote = "Q", breaks = [{ from_units = 10, unit = "60" }] }"""
    breaks = plan_of(tmp_path, changed('price = "75"', terms)).option("slow").offer.breaks
    assert [(each.from_units, each.price.money.amount) for each in breaks] == [
        (1, Decimal(75)),
        (10, Decimal(60)),
    ]
    assert {each.price.input for each in breaks} == {"quote Q"}


def test_power_over_throughput_is_an_energy_that_errs_with_the_throughput(tmp_path):
    """A unit that is faster than said takes less energy per inference: one cause, two figures."""
    said = "active_power_w = { value = 6, u = 0.3 }"
    text = changed("energy_per_inference_j = 1.8", said).replace(
        "throughput_per_s = 3.1", "throughput_per_s = { value = 3, u = 0.3 }"
    )
    slow = plan_of(tmp_path, text).option("slow")
    energy = slow.energy_per_inference_j
    assert energy.value == 2.0
    assert energy.u == pytest.approx(2 * math.hypot(0.05, 0.1))
    lines = {line.name: line for line in energy.budget}
    assert lines["throughput"].input == slow.throughput_per_s.input != ""
    assert (lines["throughput"].sign, lines["active power"].sign) == (-1, 1)


def test_everything_else_of_a_plan_is_taken_over(tmp_path):
    """Requirements, rule, fleet, rates, carbon and words."""
    text = (
        PLAN
        + """
price.supplier = "Acme"
accuracy = 0.76
figures = { width_mm = 90 }
failure_rate_per_year = 0.02
engineering = { amount = "7000", currency = "USD" }
host = { accelerators = 4, price = "500", power_w = { value = 40, u = 5 } }
[fleet]
headroom = 1.2
availability = 0.99
repair_days = 14
[rule]
guard_band = "probability"
guard_probability = 0.99
[[requirement]]
quantity = "accuracy"
at_least = 0.7
[[requirement]]
quantity = "width_mm"
at_most = 100
unit = "mm"
[[rate]]
from = "USD"
to = "EUR"
rate = "0.9"
date = 2026-11-19
"""
    )
    text = text.replace('price = { unit = "150", basis = "list" }', 'price.unit = "150"')
    text = text.replace("boundary =", 'carbon_g_per_kwh = 400\nassumptions = ["a"]\nboundary =')
    plan = plan_of(tmp_path, text)
    fast = plan.option("fast")
    assert fast.offer.supplier == "Acme"
    assert {name: figure.value for name, figure in fast.figures.items()} == {
        "accuracy": 0.76,
        "width_mm": 90,
    }
    assert fast.failure_rate.value == 0.02
    assert fast.engineering.money.currency == "USD"
    assert (fast.host.accelerators, fast.host.power_w.u) == (4, 5)
    assert (plan.fleet.headroom.value, plan.fleet.availability) == (1.2, 0.99)
    assert (plan.rule.guard_band, plan.rule.guard_probability) == (GuardRule.PROBABILITY, 0.99)
    assert [(each.quantity, each.sense, each.limit) for each in plan.requirements] == [
        ("accuracy", Sense.AT_LEAST, 0.7),
        ("width_mm", Sense.AT_MOST, 100),
    ]
    assert (plan.rates[0].base, plan.rates[0].rate) == ("USD", Decimal("0.9"))
    assert plan.carbon_intensity.value == 400
    assert plan.assumptions == ("a",)


def test_a_run_gives_an_option_its_figures_and_their_budgets(tmp_path):
    """With what it is worth: evidence, validity, boundary, workload, and the price kept with it."""
    text = PLAN[: PLAN.index("[[option]]")] + RUN
    made = run_of_a_board(evidence=Evidence.EMULATED)
    text += '[[rate]]\nfrom = "CNY"\nto = "EUR"\nrate = "0.12"\ndate = 2026-11-01\n'
    board = plan_of(tmp_path, text, runs={"abc": measured(made, "A board")}).options[0]
    assert (board.name, board.runs, board.units_measured) == ("A board", ("run-1",), 1)
    assert board.energy_per_inference_j.budget == made.quantities["energy_per_inference"].budget
    assert board.evidence is Evidence.EMULATED
    assert (board.workload, board.boundary) == ("seed-cnn", Boundary.DC)
    assert board.figures["latency_p99"].value == 0.06
    assert board.offer.breaks[0].price.money == made.price.money
    assert board.life_years.value == made.price.life_years


def test_a_run_that_is_not_valid_stays_so(tmp_path):
    """With the codes of what stands against it."""
    text = PLAN[: PLAN.index("[[option]]")] + RUN + 'price = "10"\n'
    made = run_of_a_board(valid=False)
    board = plan_of(tmp_path, text, runs={"abc": measured(made)}).options[0]
    assert not board.valid
    assert board.findings == tuple(
        each.code for each in made.findings if each.severity == "blocking"
    )


def test_a_plan_may_be_declared_before_the_run_that_answers_it(tmp_path):
    """A run of the option's device takes the place of what was declared for it."""
    text = changed('id = "slow"', 'id = "slow"\ndevice = "edgeboard"\nworkload = "w"')
    text = text.replace('id = "fast"', 'id = "fast"\nworkload = "w"')
    assert plan_of(tmp_path, text).option("slow").evidence is Evidence.DECLARED
    known = {"edgeboard": measured(run_of_a_board())}
    slow = plan_of(tmp_path, text, runs=known).option("slow")
    assert slow.evidence is Evidence.MEASURED
    assert slow.energy_per_inference_j.value == 0.5
    assert slow.offer.breaks[0].price.money.amount == 75


BAD = """\
schema = 1
date = 2027-01-01
currency = "EUR"
boundry = "wall"
[load]
per_s = { "07-22" = 5, "20-24" = 3 }
[tariff]
per_kwh = ["0.15", "x"]
currency = "GBP"
[[option]]
id = "a"
boundary = "wall"
energy_per_inference_j = 1
throughput_per_s = -3
idle_power_w = 1
price = { unit = "-75", currency = "USD", date = 2028-01-01, basis = "lst" }
[[option]]
id = "a"
boundary = "dc"
energy_per_inference_j = { valeu = 1 }
idle_power_w = 1
throughput_per_s = 3
[[option]]
run = "nowhere"
[[requirement]]
quantity = "accurcy"
at_most = 1
"""


def test_all_problems_of_a_bad_plan_are_told_at_once(tmp_path):
    """Of form and of meaning, each under the key where it is mended."""
    told = problems_of(tmp_path, BAD)
    parts = {
        "boundry": "did you mean 'boundary'",
        "tariff.per_kwh[2]": "must be an amount",
        "tariff.currency": "GBP has no rate to EUR",
        "option[1].price.basis": "did you mean 'list'",
        "option[2].energy_per_inference_j.valeu": "did you mean 'value'",
        "date": "is in the future",
        "horizon_years": "is missing",
        "load.per_s.20-24": "names hour 20 again",
        "load.per_s": "has no value for 7 hours",
        "option[1].throughput_per_s": "must be above 0",
        "option[1].price.unit": "must be at least 0, not -75",
        "option[1].price.currency": "USD has no rate to EUR",
        "option[1].price.date": "later than the plan",
        "option[2].price": "is missing",
        "option[2].id": "is the name of option[1] already",
        "option[2].boundary": "is dc, where option[1] has wall",
        "option[3].run": "there is no complete run 'nowhere'",
        "requirement[1].quantity": "no option has 'accurcy'",
    }
    for key, part in parts.items():
        assert part in told.get(key, ""), (key, told.get(key))


def test_read_plan_raises_them_as_one_error(tmp_path):
    """With the exit code of a configuration."""
    path = tmp_path / "bad.toml"
    path.write_text(BAD)
    with pytest.raises(ProfileError) as caught:
        read_plan(path)
    assert caught.value.exit_code == 2
    assert f"{path}: option[1].price.unit: must be at least 0" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "key", "part"),
    [
        ("schema = 1", "schema = 2", "schema", "must be 1"),
        ("date = 2026-11-20", "", "date", "is missing"),
        ("date = 2026-11-20", 'date = "2026-11-31"', "date", "date that exists"),
        ('currency = "EUR"', 'currency = "euro"', "currency", "three capital letters"),
        ("per_s = 50", "per_s = 0", "load.per_s", "above 0"),
        ("per_s = 50", "per_s = 50\npeak_per_s = 40", "load.peak_per_s", "below the highest hour"),
        ("per_s = 50", "per_s = [1, 2]", "load.per_s", "24 values, or 168"),
        ('"0.25"', '"-0.25"', "tariff.per_kwh", "at least 0"),
        ('boundary = "wall"', "", "option[1].boundary", "board, dc or wall"),
        ('boundary = "wall"', 'boundary = "wal"', "boundary", "did you mean 'wall'"),
        ("energy_per_inference_j = 1.8", "", "option[1].energy_per_inference_j", "active_power_w"),
        ("idle_power_w = 3.5", "", IDLE, "is missing"),
        ("= 1.8", "= 1.8\nactive_power_w = 5", "option[1].active_power_w", "keep one"),
        ("= 3.5", "= { low = 4, high = 3 }", f"{IDLE}.high", "above low"),
        ("= 3.5", "= { low = 4 }", IDLE, "low and high"),
        (
            "= 3.5",
            "= { value = 4, u = 1, u_relative = 1 }",
            "option[1].idle_power_w.u_relative",
            "",
        ),
        ("= 3.5", '= "4"', IDLE, "a number"),
        ('price = "75"', 'price = { sku = "x" }', "option[1].price.unit", "is missing"),
        ('price = "75"', 'price = "7,5"', "option[1].price", "an amount"),
        ('price = "75"', 'price = "-75"', "option[1].price", "at least 0, not -75"),
        (
            'price = "75"',
            'price = { unit = "7", breaks = [{ from_units = 10 }] }',
            "option[1].price.breaks[1].unit",
            "is missing",
        ),
        ('id = "slow"', "", "option[1].id", "is missing"),
        ('id = "slow"', 'id = "slow"\nworkload = "a"', "option[2].workload", "ran 'a'"),
        ('id = "slow"', 'id = "slow"\naccuracy = 76', "option[1].accuracy", "at most 1"),
        (
            "[load]",
            'equivalent_workloads = [["a"]]\n[load]',
            "equivalent_workloads[1]",
            "no option",
        ),
        ("[load]", "[fleet]\nmost_units = 3\n[load]", "ok", ""),
    ],
)
def test_each_mistake_has_its_key(tmp_path, old, new, key, part):
    """And words for someone who edits the file."""
    if key == "ok":
        assert plan_of(tmp_path, changed(old, new)).fleet.most_units == 3
        return
    told = problems_of(tmp_path, changed(old, new))
    assert part in told.get(key, "-"), told


def test_a_load_that_nothing_can_carry_is_told_with_the_rest(tmp_path):
    """By the units that can be had."""
    text = changed("[load]", "[fleet]\nmost_units = 3\n[load]").replace("horizon_years = 3\n", "")
    told = problems_of(tmp_path, text)
    assert told["load.per_s"] == "no option can carry 50/s with the units that can be had"


def test_a_figure_is_not_both_measured_and_declared(tmp_path):
    """Which of the two is meant must be said."""
    text = PLAN[: PLAN.index("[[option]]")] + RUN + 'price = "1"\nidle_power_w = 3\nworkload = "x"'
    told = problems_of(tmp_path, text, runs={"abc": measured(run_of_a_board())})
    assert "measured by the run" in told[IDLE]
    assert told["option[1].workload"] == "is 'seed-cnn' in the run"


def test_a_file_that_is_no_toml_says_where(tmp_path):
    """And nothing else."""
    told = problems_of(tmp_path, "schema = ")
    assert list(told) == ["end of document"]


@pytest.mark.parametrize(
    "text", ["option = 5", "option = [5]", "load = []", '"a.b" = 1', "rate = 1"]
)
def test_a_plan_of_the_wrong_shape_is_refused_in_words(tmp_path, text):
    """Whatever stands in the place of a table."""
    assert problems_of(tmp_path, f"schema = 1\n{text}\n")
