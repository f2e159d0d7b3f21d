"""An image's bytes without what says nothing about its pixels: damaged text must not cost an intact image its place."""

from collections.abc import Iterator

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_WEBP_DROPPED = {b"ICCP", b"XMP "}
_WEBP_ICC, _WEBP_EXIF, _WEBP_XMP = 0x20, 0x08, 0x04  # flags in the first byte of the chunk VP8X
_JPEG_KEPT = {0xE0, 0xEE}  # JFIF; Adobe's, which says what the channels are


def without(content: bytes) -> Iterator[bytes]:
    """The bytes of a PNG, JPEG or WebP file without colour profile, XMP and texts; then without its EXIF, too.

    What brings nothing new is left out: nothing at all for another format, or a file without metadata. Bytes that do
    not follow the format are passed on as they are. Pixels are not looked at.
    Source: PNG specification (third edition) 5.3; JPEG, ITU-T T.81 B.1; WebP container, RFC 9649.
    """
    if content.startswith(PNG):
        strip = _png
    elif content.startswith(JPEG):
        strip = _jpeg
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        strip = _webp
    else:
        return
    before = content
    for keep_exif in (True, False):
        after = strip(content, keep_exif)
        if after != before:
            yield after
        before = after


def _png(content: bytes, keep_exif: bool) -> bytes:
    """Chunks are length, kind, data and checksum. An animation's frames go, its first image stays."""
    kept = _PNG_KEPT | ({b"eXIf"} if keep_exif else set())
    parts, at = [PNG], len(PNG)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if end > len(content):
            break
        if content[at + 4 : at + 8] in kept:
            parts.append(content[at:end])
        at = end
    return b"".join([*parts, content[at:]])


def _jpeg(content: bytes, keep_exif: bool) -> bytes:
    """Segments are a marker, and a length that counts itself. From the first scan on all is pixels."""
    parts, at = [JPEG], len(JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        marker, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if end > len(content) or marker == 0xFF:
            break
        is_exif = marker == 0xE1 and content[at + 4 :].startswith(b"Exif\0")
        is_metadata = marker == 0xFE or (0xE0 <= marker <= 0xEF and marker not in _JPEG_KEPT)
        if not is_metadata or (is_exif and keep_exif):
            parts.append(content[at:end])
        at = end
    return b"".join([*parts, content[at:]])


def _webp(content: bytes, keep_exif: bool) -> bytes:
    """Chunks are kind, length and data, padded to an even length; VP8X says which there are."""
    dropped = _WEBP_DROPPED | (set() if keep_exif else {b"EXIF"})
    gone = _WEBP_ICC | _WEBP_XMP | (0 if keep_exif else _WEBP_EXIF)
    parts, at = [], 12
    while at + 8 <= len(content):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        chunk = content[at:end]
        if kind == b"VP8X" and length:
            chunk = chunk[:8] + bytes([chunk[8] & ~gone]) + chunk[9:]
        if kind not in dropped:
            parts.append(chunk)
        at = end
    body = b"".join(parts)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body
