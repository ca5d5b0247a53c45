"""What a movie on disk really is, read back from the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from facekit.errors import MediaError

__all__ = ["MovieFacts", "read_facts"]

# Source: ITU-T H.273, tables 2 to 4, and FFmpeg's AVColorRange.
_COLORS = {1: "bt709", 2: "unknown", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 13: "srgb"}
_RANGES = {0: "unknown", 1: "tv", 2: "pc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFacts:
    """A movie as a player sees it; the words are those of ffprobe."""

    codec: str
    profile: str
    tag: str
    """Four letters that name the codec in the container, such as `apch` for ProRes 422 HQ."""
    pix_fmt: str
    width: int
    height: int
    rate: Fraction
    num_frames: int
    """Decoded, not promised."""
    color_range: str
    color_space: str
    color_primaries: str
    color_transfer: str
    frames_agree: bool
    """Whether every frame says of its colours what the file says."""
    timecode: str | None
    """Of the first frame; None where there is no timecode track."""
    index_first: bool
    """Whether the index comes before the pictures, so that it plays while it is loaded."""

    def to_json(self) -> Mapping[str, object]:
        """All of it as plain data."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "rate": [self.rate.numerator, self.rate.denominator]}


def read_facts(path: Path | str) -> MovieFacts:
    """Decode a movie and tell what it is.

    Args:
        path: An mp4 or mov.

    Raises:
        MediaError: Missing, damaged, or without a picture in it.
    """
    path = Path(path)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: no picture in it; name a video file")
            stream = container.streams.video[0]
            context = stream.codec_context
            said = (
                int(context.color_range),
                int(context.colorspace),
                int(context.color_primaries),
                int(context.color_trc),
            )
            count, agree = 0, True
            for frame in container.decode(stream):
                count += 1
                of_frame = (
                    frame.color_range,
                    frame.colorspace,
                    frame.color_primaries,
                    frame.color_trc,
                )
                agree = agree and tuple(map(int, of_frame)) == said
            tracks = [data.metadata.get("timecode") for data in container.streams.data]
            return MovieFacts(
                codec=context.name,
                profile=str(context.profile),
                tag=context.codec_tag,
                pix_fmt=str(context.pix_fmt),
                width=stream.width,
                height=stream.height,
                rate=Fraction(stream.average_rate or 0),
                num_frames=count,
                color_range=_RANGES.get(said[0], str(said[0])),
                color_space=_COLORS.get(said[1], str(said[1])),
                color_primaries=_COLORS.get(said[2], str(said[2])),
                color_transfer=_COLORS.get(said[3], str(said[3])),
                frames_agree=agree,
                timecode=next((_two_digits(track) for track in tracks if track), None),
                index_first=_index_first(path),
            )
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file; check the spelling of the path") from error
    except (OSError, av.FFmpegError) as error:
        raise MediaError(
            f"{path}: not a movie that can be read ({error.strerror}); make it again"
        ) from error


def _two_digits(timecode: str) -> str:
    """Undo that FFmpeg writes frames with one digit where there are fewer than ten a second."""
    return timecode[:-1] + timecode[-1].zfill(2) if timecode[-2] in ":;" else timecode


def _index_first(path: Path) -> bool:
    """Walk over the outermost boxes; `moov` is the index, `mdat` the pictures."""
    with path.open("rb") as stream:
        while len(head := stream.read(16)) >= 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if kind in (b"moov", b"mdat"):
                return kind == b"moov"
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:
                break
            stream.seek(size - len(head), 1)
    return False
