"""JLS for tests: a file that Joulescope's own library wrote, and a second reading of the layout.

``LIBRARY`` is what pyjls 0.17.0 wrote of 2000 samples at 1 kHz from number 7 on: ampere
``(k % 8) / 8``, volts ``4 + k // 500``, UTC every 500 samples from 1760000000 s, one annotation.
``walk`` shares nothing with the code under test: it follows the public layout byte by byte.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

LIBRARY = zlib.decompress(
    base64.b85decode(
        "c-rk;e@v8R9DnZQ=N&EPG#RGvE8vg}_8!V6M8~1aA;Ms5V`Lc|aDsZ>IXHi8p}mG~{^1O;+*)RATC};+ux4w"
        "Ox3CP6!Zru?!-1u#YY{EWQb+Ie-uHXH_r4HpE)VMau+Q#&-p~7ep6}<m@AKa6-p^R)Zdmh-?>>uY5feqR<H7"
        "P$hRw8BO#hhannQCuzumJ}oEFNP6u9Ad`02za*<H3;x3|jau5fxhUZ2yq*6XQg@NTTHb}?a{yMYPmOt5808I"
        "pPwd*t*(&8E<Jvx5DQQ_t$BI(dc>Vt|VWSO7JEf3uCEXKk&=>1F~G$~Je;Ituys!u1Q_m1}6dcxz?3InYO)X"
        "$oZEBV8?BY!b9@YEomiK%S^a0*>d})xX7m6zT@`*ns00?EPTYWYM9odz13#hCGuR4}W&Ia}++FnJJ}9lC;>C"
        "#e_naZ-cA8x=uOb=hfn70<w)KFTPkA5s1U}H7oh-hWeh_UY5z1o7eXhzP=)?sdDX%dsN@m8|&*`9v>6(nQ(e"
        "%|8W`e#rIoefr8*UZ@ztQ&VtCmdDJye;bq{rAKw`h69;v(Fno2;aI7Gz0P;jV66oN$R<so_{RMc`V*?!=ohO"
        "zR_^pBSR~`<Zj(u-;z7ii5I7U57G&;`iYq7o$JnG5T=va29=#)Pe>MuQfI&PoXlU)}L_wXp(2WGWqc%CUkuU"
        "Ce9A8hivea>3tW2%e^@07RyunY3V^%a>pxDWQv*<B>Tod$KyQ+V75U;W%SQkM}pKTsULbzgo^o?8leq8<r!@"
        "Lc2m6yCc5JnFH54vwrDXPYL=eLVr{81*dC=%`KD)`-`lo@|YdRXN*B{1(_pCE?SNH?zN)Swhd{DEl=5@|>O7"
        "pBAn8UWT7x@^kI#-T2wT#sdzB$9;|Q94o6klWv*}@gl}w+EKDi#`!JA_*WlW_2bYqL%ajyd&*Z|2!6hf65o2"
        "LuloB)LwqI1*IdfFz^r=x=3sn&{)Vb?^+UYhVvJ9Jv+&xu`f+}%G5(};MfrsFj}pIr`d`nFt6$eLl`E4WzN4"
        "t>!y1i#^;Io%Igj6l>RfKOSNY<3{fl9bew-vFqEuk&Sf3R2;C5%d(dz9Kn_U@8f#1%{QDGD~6jbIBPdxF&6H"
        "h$x#1l_E@x&8PJn_U6PdxF&6Hh$x#1l_E@x&8P{QredOF5sbf9{^lO!55LJ%9H8N9y@zy?+7yaJ+rAeru~fK"
        "1GS=7xOVL+mgF5{(kU;Fg9S{bg0!1R)W0$exI>j5l<Y@uhSxBokUpJmNSpOto2FA8h@By<1Z0%zn1mmEQWD7"
        "ep?f_b*yo~WvAv7JNwoS{Wy;(<CMZUmYm|>@qLScaj=g*9rUH3?*@G)=%Yd3h^+AkU5i_ht)Dj+=H=-AY2^A"
        "?^P+F&<{f{v>Vp}&<NsEDEjX{%r&6@%V3W~bVpeOM&-?DDb5o7}64^l@5C{YUVXC8zKp+qZ1j3YupFkiG2n5"
        "2E#{hvqAP@+IDG$aXrRhtJ{t|Q0Uvl-kFF)7&OYr~9sGbBttTXyc%t3$2jqa=#qrXIke^a6T?f;+pO^#o4U$"
        "TcjBjBxVg8erfQGKWEp}$F}PKgQjyBrydF55%D1F1fl3HBK)uywp(^mCY1Uj<*Q!R2}1j_K#H==>a3ou9+1^"
        "K)qYD8tFGd5nGzbI{Lm?t!as-77!G2)y!nk0l;i_&40St{n"
    )
)


@dataclass(frozen=True)
class Chunk:
    """A chunk as it stands in a file."""

    offset: int
    after: int
    before: int
    tag: int
    meta: int
    payload: bytes


def slow_crc32c(data: bytes) -> int:
    """Get the CRC-32C bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def walk(content: bytes) -> list[Chunk]:
    """Get all chunks, every length and every CRC asserted on the way."""
    assert content[:16] == b"jlsfmt\r\n \n \x1a  \xb2\x1c"
    length, version, crc = struct.unpack_from("<QII", content, 16)
    assert (length, version >> 24) == (len(content), 1)
    assert slow_crc32c(content[:28]) == crc
    # the library keeps the length of the last payload that was not empty
    found, offset, length_before, not_empty = [], 32, 0, 0
    while offset < len(content):
        header = content[offset : offset + 32]
        after, before, tag, zero, meta, size, previous, crc = struct.unpack("<QQBBHIII", header)
        assert slow_crc32c(header[:28]) == crc
        assert zero == 0
        assert previous in (length_before, not_empty)
        payload = content[offset + 32 : offset + 32 + size]
        found.append(Chunk(offset, after, before, tag, meta, payload))
        offset, length_before, not_empty = offset + 32, size, size or not_empty
        if size:
            end = -(-(offset + size + 4) // 8) * 8
            assert content[offset + size : end - 4] == bytes(end - 4 - offset - size)
            assert slow_crc32c(payload) == int.from_bytes(content[end - 4 : end], "little")
            offset = end
    assert offset == len(content)
    assert found[-1].tag == 0xFF
    return found
