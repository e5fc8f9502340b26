"""A reader of the Waxwing sealed-file format, version 1.

Every module follows one section of the format's specification.  The reader is strict: whatever the specification
does not allow raises `errors.Refused`, and nothing of an unauthenticated file is ever returned.

SPDX-License-Identifier: MIT
"""
