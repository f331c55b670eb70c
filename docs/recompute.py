"""The report's accuracies and differences again, from the tables: python docs/recompute.py results/mini sampled."""

import sys
from pathlib import Path

import pandas as pd

root, group = Path(sys.argv[1]) / "evaluate", sys.argv[2]
paths = root.rglob(f"{group}.parquet")
scores = pd.concat(pd.read_parquet(path).assign(arm=str(path.parent.relative_to(root))) for path in paths)
scores["solved"] = scores.correct.astype("boolean").mask(scores.failure.isin(["truncated", "no_answer"]), False)
wide = scores.pivot_table("solved", ["benchmark", "prompt_id"], "arm")  # means over the samples that count
accuracy = wide.groupby("benchmark", sort=False).mean() * 100
print(accuracy.T.round(1).to_string(), "\n")
for policy in {arm.partition("/")[0] for arm in wide.columns}:
    arms = wide.filter(regex=f"^{policy}/")
    gains = arms.sub(arms[f"{policy}/base"], axis=0).groupby("benchmark", sort=False).mean() * 100
    print(f"points against {policy}/base, prompt by prompt:", gains.T.round(1).to_string(), sep="\n")
