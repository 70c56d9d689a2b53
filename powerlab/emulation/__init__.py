"""Wire-level emulators of meters and boards over one seeded world."""
