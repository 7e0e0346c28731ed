"""The statuses an answer can have: the words of ``answer/detail``, nothing else."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """What became of a question. Only ``OK`` puts a word on the topic ``answer``."""

    OK = 'ok'
    UNSURE = 'unsure'
    UNKNOWN_WORDS = 'unknown_words'
    BAD_QUESTION = 'bad_question'
    NO_IMAGE = 'no_image'
    STALE_IMAGE = 'stale_image'
    BAD_IMAGE = 'bad_image'
    UNFAMILIAR_IMAGE = 'unfamiliar_image'
    OVERLOADED = 'overloaded'
    INACTIVE = 'inactive'
    FAILED = 'failed'  # a fault of the node, never of the question or the image
