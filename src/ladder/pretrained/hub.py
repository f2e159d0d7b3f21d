"""timm's hub, or the mirror that HF_ENDPOINT names, through its cache: what is in it needs no network."""

import re
from pathlib import Path

import httpx2
import timm
from huggingface_hub import constants
from huggingface_hub import hf_hub_download as download
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)
from torch import Tensor

from ladder.core.errors import InputError
from ladder.pretrained import assets, tensors

FILE = "model.safetensors"


def find(arch: str) -> tuple[str, Path, dict[str, Tensor]]:
    """What timm names for an architecture and tag. Raises InputError where there is none, or none to be had intact."""
    elsewhere = f"put a file into {assets.FOLDER} as {arch}.safetensors, or set <recipe>.weights: scratch"
    published = timm.get_pretrained_cfg(arch)
    if published is None or not published.hf_hub_id:
        raise InputError(f"timm publishes no ImageNet weights for {arch}: {elsewhere}")
    origin = published.hf_hub_id
    try:
        path = Path(download(origin, FILE))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise InputError(f"could not download {origin}/{FILE}: {_cause(error)}. Else {elsewhere}") from None
    try:
        state = tensors.read(path)
        _check_digest(path.resolve())
    except InputError as error:
        raise InputError(
            f"{origin}/{FILE} from {constants.ENDPOINT}: {error}. To have it fetched again, delete {path.resolve()}"
        ) from None
    return origin, path, state


def _check_digest(blob: Path) -> None:
    """Hold a file in the cache, whose name is the digest that the hub named, against it. Raises InputError."""
    if re.fullmatch("[0-9a-f]{64}", blob.name) and (found := tensors.sha256(blob)) != blob.name:
        raise InputError(f"{blob} is damaged: its sha256 is {found}, the hub named {blob.name}")


def _cause(error: Exception) -> str:
    """What stood in the way, and what to do about it."""
    at = constants.ENDPOINT
    known = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
    if isinstance(known, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, and the cache does not hold it: unset it once, with a network"
    if isinstance(known, FileMetadataError):
        header = "ETag" if "ETag" in str(known) else constants.HUGGINGFACE_HEADER_X_REPO_COMMIT
        return f"{at} does not answer like the hub (no header {header}): set HF_ENDPOINT to another mirror, or unset it"
    if isinstance(known, GatedRepoError):
        return f"{at} gives it only to those who are logged in and have agreed to its terms"
    if isinstance(known, RepositoryNotFoundError | RemoteEntryNotFoundError):
        return f"{at} does not have it (status {known.response.status_code}): check HF_ENDPOINT and the tag"
    if isinstance(known, HfHubHTTPError):
        status = known.response.status_code
        advice = "try again later" if status >= 500 else "it does not hand it out, check HF_ENDPOINT and HF_TOKEN"
        return f"{at} answered with status {status}: {advice}"
    if isinstance(known, httpx2.RemoteProtocolError):
        return f"the download from {at} broke off ({known}): try again"
    if isinstance(known, httpx2.HTTPError | httpx2.InvalidURL):
        return f"no connection to {at} ({type(known).__name__}: {known}): connect to the network, check HF_ENDPOINT"
    if isinstance(known, OSError) and known.errno is not None:
        return f"it cannot be kept in {constants.HF_HUB_CACHE} ({known.strerror})"
    return " ".join(str(known).split())  # such as: what arrived is shorter than announced
