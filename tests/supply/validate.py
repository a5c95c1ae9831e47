"""Checks a bill of materials with the CycloneDX project's validator: `validate.py FILE`."""
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

with open(sys.argv[1], encoding="utf-8") as file:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read())
if found:
    sys.exit(f"{sys.argv[1]}: {found}")
print(f"{sys.argv[1]}: valid CycloneDX 1.6")
