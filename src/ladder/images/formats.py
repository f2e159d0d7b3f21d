"""What a file is that Pillow does not read, by its first bytes: so that a message can call it by its name."""

from pathlib import PurePath

_RAW = "a camera's RAW file"
_VIDEO = "a video"
_STARTS = (
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"II\xbc\x01", "a JPEG XR image"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?R", "a Radiance HDR image"),
    (b"gimp xcf", "a GIMP project"),
    (b"%PDF-", "a PDF document"),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"IIU\x00", _RAW),
    (b"FOVb", _RAW),
    (b"\x1a\x45\xdf\xa3", _VIDEO),  # Matroska, WebM
    (b"\x00\x00\x01\xba", _VIDEO),  # MPEG
    (b"\x00\x00\x01\xb3", _VIDEO),
    (b"FLV\x01", _VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO),  # Windows Media
    (b"OggS", "an Ogg audio or video file"),
    (b"ID3", "an audio file"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"\xfd7zXZ\x00", "a compressed file (xz)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!\x1a\x07", "an archive (rar)"),
    (b"PK\x05\x06", "an archive (zip)"),
    (b"\x80\x02}", "a pickle, as older weights of PyTorch are"),
    (b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9", "a weights file of PyTorch"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file (`git lfs pull` gets it)"),
)
_IN_TIFF = {".cr2", ".nef", ".nrw", ".arw", ".sr2", ".dng", ".pef", ".srw", ".3fr", ".erf", ".raw"}  # RAW formats
_VIDEO_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp4", b"avc1", b"qt  ", b"M4V", b"3gp", b"3g2", b"dash")


def foreign(content: bytes, name: str) -> str | None:
    """What kind of file these bytes are, with its article, where Pillow is known not to read it; else None.

    `name` tells apart what is a TIFF to its first bytes: RAW formats of most makers.
    """
    for start, kind in _STARTS:
        if content.startswith(start):
            return kind
    if content.startswith(b"PK\x03\x04"):
        is_torch = b"/data.pkl" in content[:400] or b".data/serialization_id" in content[:400]
        return "a weights file of PyTorch" if is_torch else "an archive (zip), or an office document"
    if content[257:262] == b"ustar":
        return "an archive (tar)"
    if content[128:132] == b"DICM":
        return "a DICOM image"
    if content[:4] == b"RIFF" and content[8:12] in (b"AVI ", b"WAVE"):
        return _VIDEO if content[8:12] == b"AVI " else "an audio file"
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        return _RAW if brand == b"crx " else _VIDEO if brand.startswith(_VIDEO_BRANDS) else None
    if content[4:8] in (b"moov", b"mdat"):
        return _VIDEO
    if content[:4] in (b"II*\0", b"MM\0*") and (content[8:10] == b"CR" or PurePath(name).suffix.lower() in _IN_TIFF):
        return _RAW
    return _text(content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower())


def _text(start: bytes) -> str | None:
    if start.startswith((b"<?xml", b"<!--", b"<svg", b"<!doctype svg")) and b"<svg" in start:
        return "an SVG drawing"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, as a failed download leaves"
    return None
