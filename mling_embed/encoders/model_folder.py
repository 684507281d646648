"""A model folder on disk: written whole, loaded by plain sentence-transformers; what is no such folder is refused."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mling_embed.errors import DamagedFileError, DataError, UsageError
from mling_embed.files import read_json, replacing_folder, write_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MODULES_FILE = "modules.json"
LINEAGE_FILE = "distilled_from.json"
EXPORT_FILE = "exported_from.json"  # of a folder that an export wrote
_CONFIG_FILE = "config.json"
_ADAPTER_FILE = "adapter_config.json"
_SAFE = "*.safetensors"
_WEIGHTS_WITH_CODE = ("pytorch_model*.bin", "model.bin", "model.ckpt", "model.pkl")
_SAVE_AGAIN = "Load it with the version that wrote it (pip install 'sentence-transformers<3'), and save it from there."
_OUR_MODULES = "sentence_transformers."


def write_model(model: SentenceTransformer, folder: Path, *, model_card: str = "", teacher: str = "") -> None:
    """Write a folder that plain sentence-transformers loads; it appears when it is whole.

    Args:
        model: The model; its modules must be sentence-transformers' own.
        folder: Where; an earlier model there is replaced.
        model_card: Text of its README.md.
        teacher: Fingerprint of the encoder in whose space it lives: an index of that one takes its queries.
    """
    needed = sum(weight.numel() * weight.element_size() for weight in model.state_dict().values())
    with replacing_folder(folder, needed=needed) as part:
        model.save(str(part), create_model_card=False)
        (part / "README.md").write_text(model_card, encoding="utf-8")
        if teacher:
            write_json(part / LINEAGE_FILE, {"teacher": teacher})


def refuse_folder(folder: Path) -> None:
    """Refuse what cannot be a model folder, or holds what is not opened here, before anything is loaded.

    Raises:
        DataError: It is a file, a run, an adapter whose library is not installed, or of modules that no
            sentence-transformers has any more.
        DamagedFileError: Its modules.json is not one.
        UsageError: It holds weights only in a format that can run code.
    """
    if not folder.is_dir():
        raise DataError("is a file; expected a model folder.", where=folder, next_step="Give the folder that holds it.")
    marks = (MODULES_FILE, _CONFIG_FILE)
    if not any((folder / name).exists() for name in marks) and (folder / "model" / MODULES_FILE).exists():
        raise DataError("is a run; its model is inside.", where=folder, next_step=f"Give {folder / 'model'}.")
    modules = _modules(folder)
    for place in {folder, *(folder / module["path"] for module in modules)}:
        _refuse_weights_with_code(place)
    if (folder / EXPORT_FILE).is_file():
        raise UsageError(
            "is an export, which can encode but not be trained or changed.",
            where=folder,
            next_step="Give the model that it was made of.",
        )
    if not any(folder.rglob(_SAFE)):
        raise DataError(
            "is not a model folder: no .safetensors file in it.",
            where=folder,
            next_step="Give the folder that a training run or SentenceTransformer.save() wrote.",
        )
    for module in modules:
        _refuse_old_module(folder, module)
    for path in sorted(folder.rglob(_ADAPTER_FILE)):
        _refuse_adapter(path)


def _modules(folder: Path) -> list[dict[str, Any]]:
    """Return what modules.json says, or nothing for a plain transformers folder."""
    path = folder / MODULES_FILE
    if not path.exists():
        return []
    modules = read_json(path)
    if not isinstance(modules, list) or not modules or not all(map(_is_module, modules)):
        raise DamagedFileError(
            "is no list of modules, each with a type, a name and a path.",
            where=path,
            next_step="Copy the model again, or remove the file for the plain transformer with mean pooling.",
        )
    return modules


def _is_module(module: Any) -> bool:
    return isinstance(module, dict) and all(isinstance(module.get(key), str) for key in ("type", "name", "path"))


def _refuse_weights_with_code(place: Path) -> None:
    if any(place.glob(_SAFE)):
        return
    unsafe: Iterator[Path] = (path for pattern in _WEIGHTS_WITH_CODE for path in sorted(place.glob(pattern)))
    for path in unsafe:
        raise UsageError(
            f"holds only {path.name}, a format that can run code when it is opened.",
            where=place,
            next_step="Convert the weights to safetensors first.",
        )


def _refuse_old_module(folder: Path, module: dict[str, Any]) -> None:
    """Refuse a module class that sentence-transformers had once, such as ``sentence_transformers.models.BERT``."""
    from sentence_transformers import __version__
    from sentence_transformers.util import import_from_string

    if not module["type"].startswith(_OUR_MODULES):
        return
    try:
        import_from_string(module["type"])
    except (ImportError, AttributeError):
        inside = folder / module["path"]
        plain = (inside / _CONFIG_FILE).exists() and inside != folder
        raise DataError(
            f"its modules.json names {module['type']}, which sentence-transformers {__version__} does not have.",
            where=folder,
            next_step=f"Give {inside}, the transformer alone: it gets mean pooling." if plain else _SAVE_AGAIN,
        ) from None


def _refuse_adapter(path: Path) -> None:
    if find_spec("peft") is not None:
        return
    config = read_json(path)
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    raise DataError(
        f"is an adapter (LoRA) of {base or 'another model'}, which takes a package that is not installed.",
        where=path.parent,
        next_step="pip install peft, or merge it into its base model (merge_and_unload()) and save that.",
    )
