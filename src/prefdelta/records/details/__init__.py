"""The part of a manifest that only one stage has: one type per stage, which may be empty.

Details are written for the report and the plan. No stage reads them, so they cannot change a result.
"""
