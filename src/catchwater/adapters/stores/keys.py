"""What may be a key of the lake, the same in every store; it touches no store."""

from catchwater.errors import LakeError

TEMPORARY = ".tmp-"


def parts(key: str) -> list[str]:
    """The segments of a relative, `/`-separated key; raises LakeError for what could lead out of the zone."""
    found = key.split("/")
    odd = "\0" in key or "\\" in key or any(part in ("", ".", "..") or part.startswith(TEMPORARY) for part in found)
    if odd or any(len(part.encode(errors="surrogatepass")) > 240 for part in found):
        raise LakeError(f"not a key of the lake: {key!r}")
    return found
