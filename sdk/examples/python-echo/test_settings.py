"""Run with `python -m unittest` in this folder: no component is needed."""

import unittest

from settings import SCHEMA, Settings, SettingsError


class Parse(unittest.TestCase):
    def test_nothing_set_means_the_defaults_of_the_schema(self):
        for name, schema in SCHEMA["properties"].items():
            self.assertEqual(getattr(Settings.parse("{}"), name), schema["default"])

    def test_what_is_set_wins_and_what_is_unknown_is_ignored(self):
        settings = Settings.parse('{"file": "notes/a.md", "pause_ms": 5, "later": 1}')
        self.assertEqual(settings, Settings(file="notes/a.md", pause_ms=5))

    def test_what_makes_no_sense_is_named(self):
        for text, named in [
            ("", None), ("{", "JSON"), ("[]", "object"), ('{"ask": 1}', "ask"), ('{"pause_ms": true}', "pause_ms"),
            ('{"pause_ms": -1}', "pause_ms"), ('{"file": ""}', "file"), ('{"file": "/etc/passwd"}', "file"),
            ('{"file": "a/../../b"}', "file"),
        ]:
            with self.subTest(text):
                if named is None:
                    Settings.parse(text)
                    continue
                with self.assertRaises(SettingsError) as raised:
                    Settings.parse(text)
                self.assertIn(named, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
