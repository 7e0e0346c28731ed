"""Ask a model about every frame of a bag, one frame at a time, the same way each time.

    with BagReader('run7') as bag:
        topics = picture_topics(bag)
        for answered in answers(bag, pipeline, topics, ['what color is the shape?']):
            print(answered.topic, [detail.answer for detail in answered.details])

A frame is deserialized here, decoded and encoded once by the pipeline. `now` is the frame's own
stamp, so that a frame of last year is not stale. Where answers are put is `answer_output`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from latent_vqa_ros.bags import BagError
from latent_vqa_ros.bags.read import BagReader, BagRecord
from latent_vqa_ros.core.answer import NANO, Detail
from latent_vqa_ros.core.compressed import compressed_to_rgb
from latent_vqa_ros.core.image_formats import ImageError, Pixels, cloud_to_rgb, raw_to_view
from latent_vqa_ros.core.pipeline import Frame, Pipeline
from latent_vqa_ros.core.process import one_line
from latent_vqa_ros.core.questions import Request, plain
from latent_vqa_ros.core.taught import OFF, Taught, TaughtQuestion

IMAGE, COMPRESSED, CLOUD = (
    'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/PointCloud2')
TRANSPORTS = ('/compressed', '/points')
DEPTH = 'compressedDepth'
DEPTH_ENCODINGS = ('16UC1', '32FC1')
ANNOTATED = 'image_annotated'  # what a node has drawn about pictures that are there, too


@dataclass(frozen=True)
class Answered:
    """One frame with a detail per question; ``stamp_ns`` is when the bag recorded it."""

    topic: str
    stamp_ns: int
    details: tuple[Detail, ...]

    def documents(self) -> list[dict[str, Any]]:
        """Return a document of ``answer/detail`` per question, with the topic and bag time.

        ``latency_ms`` is left out: it differs from run to run, nothing else does.
        """
        place = {'topic': self.topic,
                 'bag_stamp': {'sec': self.stamp_ns // NANO, 'nanosec': self.stamp_ns % NANO}}
        found = []
        for detail in self.details:
            document = detail.to_dict()
            del document['latency_ms']
            found.append(place | document)
        return found


def picture_topics(bag: BagReader, wanted: Sequence[str] = ()) -> list[str]:
    """Return the topics of a bag to answer about, sorted; BagError where there is none.

    Without ``wanted`` depth pictures and what a node has drawn are left out.
    """
    return choose_topics(bag.topics, wanted, bag.silent, {} if wanted else _unfit(bag))


def left_out(bag: BagReader, topics: Collection[str]) -> dict[str, str]:
    """Return why the other topics with pictures are not answered about, unless wanted by name."""
    unfit = _unfit(bag)
    return {name: unfit.get(name) or (
        'no message' if name in bag.silent else 'the same camera, or point clouds beside pictures')
        for name in _with_images(bag.topics) if name not in topics}


def choose_topics(topics: Mapping[str, str], wanted: Sequence[str] = (),
                  silent: Collection[str] = (), unfit: Mapping[str, str] = MappingProxyType({})
                  ) -> list[str]:
    """Return the topics to answer about, sorted; BagError where there is none.

    ``topics`` is name → type, as BagReader has it. Without ``wanted`` it is every Image and
    CompressedImage topic, so that no picture is answered about twice: a compressed twin is left
    out where the raw topic is there too, point clouds where there is any picture. Topics in
    ``silent``, which have no message, count only where no other has pictures; those in ``unfit``,
    which says what they show, only where they are wanted.
    """
    for name in (topic if topic.startswith('/') else f'/{topic}' for topic in wanted):
        if topics.get(name) not in (IMAGE, COMPRESSED, CLOUD):
            raise BagError(f'{name}: {topics.get(name, "not in the bag")}; topics with images: '
                           f'{", ".join(_with_images(topics)) or "none"}')
    if wanted:
        return sorted({topic if topic.startswith('/') else f'/{topic}' for topic in wanted})
    fit = {name: kind for name, kind in topics.items() if name not in unfit}
    chosen = _chosen({name: kind for name, kind in fit.items() if name not in silent})
    left_out = [f'{name} ({unfit[name]})' for name in sorted(unfit) if name not in silent]
    if not chosen and left_out:
        raise BagError('the bag has only pictures that are left out unless --topic names them: '
                       + ', '.join(left_out))
    chosen = chosen or _chosen(fit)
    if not chosen:
        raise BagError('the bag has no topic with images (Image, CompressedImage, PointCloud2); '
                       f'its topics: {", ".join(sorted(topics)) or "none"}')
    return chosen


def _chosen(topics: Mapping[str, str]) -> list[str]:
    pictures = [name for name in _with_images(topics)
                if topics[name] != CLOUD and not name.endswith(f'/{DEPTH}')]
    raw = {name for name in pictures if topics[name] == IMAGE}
    chosen = [name for name in pictures if name.removesuffix('/compressed') not in raw - {name}]
    return chosen or [name for name in _with_images(topics) if topics[name] == CLOUD]


def _unfit(bag: BagReader) -> dict[str, str]:
    """Return what the topics show that nobody means who names none."""
    unfit: dict[str, str] = {}
    for name in _with_images(bag.topics):  # a raw topic comes before its compressed twin
        twin = unfit.get(name.removesuffix('/compressed'), '')
        what = ANNOTATED if ANNOTATED in name.split('/') else twin or _depth(bag, name)
        if what:
            unfit[name] = what
    return unfit


def _depth(bag: BagReader, topic: str) -> str:
    """Return the depth encoding of a topic's first message, '' where it has none."""
    if topic.endswith(f'/{DEPTH}'):
        return DEPTH
    record = None if bag.topics[topic] == CLOUD else bag.first(topic)
    if record is None:
        return ''
    try:
        message = bag.deserialize(record)
    except BagError:  # broken: said of each frame
        return ''
    if record.type == IMAGE:
        return message.encoding if message.encoding in DEPTH_ENCODINGS else ''
    encoding = message.format.partition(';')[0].strip()  # as '16UC1; png compressed '
    return encoding if encoding in DEPTH_ENCODINGS else DEPTH if DEPTH in message.format else ''


def _with_images(topics: Mapping[str, str]) -> list[str]:
    return sorted(name for name, type_ in topics.items() if type_ in (IMAGE, COMPRESSED, CLOUD))


def camera_of(topic: str) -> str:
    """Return the camera's name: '' for /image_raw, 'front' for /front/image_raw/compressed."""
    for transport in TRANSPORTS:
        topic = topic.removesuffix(transport)
    return topic.removesuffix('/image_raw').removeprefix('/')


class TaughtByCamera:
    """What was taught, for a bag whose topics have namespaces before their cameras' names.

    The camera robot1/front is also the one that was taught as front.
    """

    def __init__(self, taught: Taught) -> None:
        self._taught = taught

    def find(self, question: str, camera: str) -> TaughtQuestion | None:
        """Return the question for this camera, by the longest end of its name, or for any."""
        of_any = self._taught.find(question, '/') if camera else None  # nobody's name
        parts = camera.split('/')
        for start in range(len(parts)):
            found = self._taught.find(question, '/'.join(parts[start:]))
            if found is not None and found is not of_any:
                return found
        return of_any

    def why_not(self, question: str, camera: str) -> str:
        """Return why a text that was taught was not found, empty where it was not taught."""
        parts = camera.split('/')
        found = [self._taught.why_not(question, '/'.join(parts[start:]))
                 for start in range(len(parts))]
        return next((why for why in found if why == OFF), found[-1])


def clean_question(text: str) -> str:
    """Return a question that UTF-8 can carry; BagError where it has several lines."""
    if len(text.strip().splitlines()) > 1:
        raise BagError(f'{text.strip()!r:.80} has more than one line; ask one question at a time')
    return ' '.join(str(plain(text)).split())


def answers(bag: BagReader, pipeline: Pipeline, topics: Sequence[str], questions: Sequence[str],
            every: int = 1, skip: int = 0,
            on_record: Callable[[], object] = lambda: None) -> Iterator[Answered]:
    """Yield each ``every``-th frame of each topic with its details, in the order of the bag.

    The first ``skip`` of them are passed over undecoded. ``on_record`` is called for each message
    of the bag, also of other topics. A frame that cannot be used gives ``bad_image`` details.
    Raises BagError for a broken bag.
    """
    seen = dict.fromkeys(topics, 0)
    taken = 0
    for record in bag:
        on_record()
        if record.topic not in seen:
            continue
        seen[record.topic] += 1
        if (seen[record.topic] - 1) % every:
            continue
        taken += 1
        if taken > skip:
            frame = make_frame(bag, record)
            now_ns = frame.stamp_ns or frame.received_ns
            yield Answered(record.topic, record.stamp_ns, tuple(
                pipeline.respond(Request(question, frame.camera), frame, now_ns)
                for question in questions))


def make_frame(bag: BagReader, record: BagRecord) -> Frame:
    """Return the record as a frame; broken CDR surfaces when the frame is decoded."""
    camera = camera_of(record.topic)
    try:
        message = bag.deserialize(record)
    except BagError as error:
        cause = one_line(error.__cause__ or error)
        return Frame(_refuse(f'broken {record.type}: {cause}'[:300]),
                     received_ns=record.stamp_ns, camera=camera)
    stamp = message.header.stamp
    return Frame(lambda: _decode(record.type, message), stamp.sec * NANO + stamp.nanosec,
                 record.stamp_ns, message.header.frame_id, camera)


def _decode(type_: str, message: Any) -> Pixels:
    if type_ == IMAGE:
        return raw_to_view(message)
    if type_ == COMPRESSED:
        return compressed_to_rgb(message.data, message.format), None
    return cloud_to_rgb(message), None


def _refuse(reason: str) -> Callable[[], Pixels]:
    def decode() -> Pixels:
        raise ImageError(reason)
    return decode
