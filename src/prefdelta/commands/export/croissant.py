"""croissant.json of an exported data set: Croissant 1.0 with the fields of its RAI extension 1.0 (MLCommons)."""

from typing import Any

from prefdelta.commands.export import wording
from prefdelta.commands.export.columns import ExportColumn, Format
from prefdelta.commands.export.pairs import PairsExport

_TYPES = {"text": "sc:Text", "whole": "sc:Integer", "number": "sc:Float", "yes_no": "sc:Boolean"}
_ENCODINGS = {"parquet": "application/x-parquet", "jsonl": "application/jsonlines"}
_RECORDS = "pairs"
# The terms of the specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html, "Context".
_OF_CROISSANT = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _OF_CROISSANT},
}


def croissant(
    export: PairsExport,
    form: Format,
    columns: list[ExportColumn],
    data: str,
    sha256: str,
    size: int,
    license_name: str | None,
) -> dict[str, Any]:
    """The metadata. data: path of the data in the folder, of `size` bytes."""
    lineage = export.lineage
    votes = max((judge.votes for judge in lineage.judges), default=0)
    texts = {path: digest for judge in lineage.judges for path, digest in judge.texts.items()}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in f"{export.study}-{export.name}"),
        "description": f"{wording.what_it_is(export)} {wording.order(export, form)}",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": license_name or wording.UNKNOWN_LICENSE,
        "url": "./",
        "citeAs": f"@misc{{prefdelta-{export.study}, title = {{{export.name} of the prefdelta study {export.study}}}}}",
        "version": "1.0.0",
        "datePublished": lineage.last[:10],
        "keywords": ["preference", export.method, "prefdelta", "synthetic"],
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "data",
                "name": "data",
                "contentUrl": data,
                "contentSize": f"{size} B",
                "encodingFormat": _ENCODINGS[data.rpartition(".")[2]],
                "sha256": sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": _RECORDS,
                "name": _RECORDS,
                "description": "One row per pair." if export.method != "kto" else "Two rows per pair, one per side.",
                "field": [_field(column) for column in columns],
            }
        ],
        "rai:dataCollection": (
            f"Problems: {lineage.prompts}. Models answered them, and each pair joins two answers to one problem. "
            + " ".join(f"Generator {wording.generator_sentence(one)}." for one in lineage.generators.values())
        ),
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionRawData": "The models' traces, as they wrote them, are the data themselves.",
        "rai:dataCollectionMissingData": _left_out(export),
        "rai:dataPreprocessingProtocol": [
            "Traces that failed, were cut off at the token limit, or are empty make no pair; nor do two equal texts.",
            f"Problems were put into the template {export.template[0]} (sha256 {export.template[1]}).",
        ],
        "rai:dataAnnotationProtocol": [
            "A judge scored each trace from 1 to 5 on each dimension, by rubrics and a template: "
            + ", ".join(f"{path} (sha256 {digest})" for path, digest in texts.items()),
            *(["People scored both traces of some pairs from 1 to 5: the dimensions @people."] * export.by_people),
        ],
        "rai:dataAnnotationPlatform": ["prefdelta"],
        "rai:annotationsPerItem": f"{votes} per trace and dimension",
        "rai:annotatorDemographics": [
            "People scored some of the pairs; the data do not say who."
            if export.by_people
            else "No person annotated the data."
        ],
        "rai:machineAnnotationTools": [wording.judge_sentence(judge) for judge in lineage.judges]
        + ["A program compared final answers with the right ones (prefdelta's graders)."],
        "rai:dataLimitations": wording.limits(export),
        "rai:dataBiases": wording.biases(export),
        "rai:dataUseCases": list(wording.USES),
        "rai:personalSensitiveInformation": [wording.PERSONAL],
        "rai:dataReleaseMaintenancePlan": "None: an export is made once, and is not changed.",
    }


def _field(column: ExportColumn) -> dict[str, Any]:
    of = f"{_RECORDS}/{column.name}"
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": of,
        "name": column.name,
        "description": column.about,
    }
    if column.parts is None:
        return field | {"dataType": _TYPES[column.kind], "source": _source(column.name)}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{of}/{key}",
            "name": key,
            "dataType": _TYPES[kind],
            "source": _source(column.name) | {"transform": {"jsonPath": key}},
        }
        for key, kind in column.parts
    ]
    return field | {"subField": parts} | ({"repeated": True} if column.is_list else {})


def _source(column: str) -> dict[str, Any]:
    return {"fileObject": {"@id": "data"}, "extract": {"column": column}}


def _left_out(export: PairsExport) -> str:
    told = [
        f"{job.job}: {', '.join(f'{reason} {count:,}' for reason, count in job.reasons.items())} of {job.rows:,}"
        for job in export.lineage.left_out
        if job.reasons
    ]
    return "; ".join(told) or "Nothing was left out."
