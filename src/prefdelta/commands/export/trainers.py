"""What LLaMA-Factory and Axolotl ask for beside the data."""

import json
from collections.abc import Mapping

from prefdelta.commands.export.columns import Format
from prefdelta.commands.export.pairs import PAIRS

NAME = "prefdelta"  # of the data set in dataset_info.json


def trainer_files(form: Format, method: str, data: str, has_system: bool) -> Mapping[str, str]:
    """Name -> text of the files that a trainer reads beside the data. data: the data's path in the folder.

    has_system: whether the messages begin with a system prompt.
    """
    kind = "dpo" if method == PAIRS else method
    if form == "llamafactory":
        return {"dataset_info.json": json.dumps({NAME: _llamafactory(kind, data)}, indent=2) + "\n"}
    if form == "axolotl":
        return {"axolotl.yaml": _axolotl(kind, data, has_system)}
    return {}


def _llamafactory(kind: str, data: str) -> dict[str, object]:
    columns = {"messages": "conversations", "system": "system"}
    entry: dict[str, object] = {"file_name": data, "formatting": "sharegpt"}
    if kind == "dpo":
        entry["ranking"] = True
        columns |= {"chosen": "chosen", "rejected": "rejected"}
    if kind == "kto":
        columns["kto_tag"] = "label"
    return entry | {"columns": columns}


def _axolotl(kind: str, data: str, has_system: bool) -> str:
    """The part of a config that names the data. KTO has no type that uses the model's chat template."""
    import yaml

    head = "# The part of an Axolotl config that reads this data; run it in this folder.\n"
    source: dict[str, object] = {"path": data, "ds_type": "json", "split": "train"}
    config: dict[str, object] = {"datasets": [source]}
    if kind == "sft":
        source |= {"type": "chat_template", "field_messages": "messages", "roles_to_train": ["assistant"]}
    elif kind == "dpo":
        config = {"rl": "dpo", **config}
        source |= {
            "type": "chat_template.default",
            "field_messages": "messages",
            "field_chosen": "chosen",
            "field_rejected": "rejected",
            "message_property_mappings": {"role": "role", "content": "content"},
            "roles": {"user": ["user"], "assistant": ["assistant"], "system": ["system"]},
        }
    else:
        # Axolotl's type fails if `completion_format` is given, and without it finds the trace under no other name.
        head += "# Axolotl's KTO reads no chat template: write your model's turns into prompt_format.\n"
        config = {"rl": "kto", "remove_unused_columns": False, **config}
        source["type"] = {
            "field_prompt": "prompt",
            "field_system": "system",
            "field_completion": "chosen",
            "field_label": "label",
            "prompt_format": "{system}\n\n{prompt}" if has_system else "{prompt}",
        }
    return head + yaml.safe_dump(config, sort_keys=False)
