"""What the manifest of a job says of its stage in particular: one type per stage, empty where there is nothing to say.

They are written for the report and the plan. No stage reads them, so they cannot change a result.
"""
