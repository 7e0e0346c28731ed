"""The last stages: a trained model becomes a bundle, measured before it is written.

Export and check, quantize with training pictures, calibrate on validation, compare int8 with
float, and at the very end answer the test split once with each. ``assemble`` does so for a
training, ``assemble_again`` for the weights of a bundle.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latent_vqa_ros import datasets
from latent_vqa_ros.backends.network import Network
from latent_vqa_ros.backends.torch_backend import load_model
from latent_vqa_ros.core.asking import kinds
from latent_vqa_ros.core.bundle import MANIFEST, Bundle, load
from latent_vqa_ros.core.config import ConfigError, to_mapping
from latent_vqa_ros.core.manifest import (
    ANSWERER,
    IMAGE_ENCODER,
    WEIGHTS,
    EvidenceConfig,
    Manifest,
    vqa_graphs,
)
from latent_vqa_ros.core.tokenizer import words
from latent_vqa_ros.datasets import mixture
from latent_vqa_ros.datasets.images import load_images
from latent_vqa_ros.datasets.record import Record, questions_of
from latent_vqa_ros.datasets.trainable import askable
from latent_vqa_ros.evaluation import card, evaluate, mistakes
from latent_vqa_ros.model.config import architecture
from latent_vqa_ros.model.count import count
from latent_vqa_ros.model.vqa import LatentVqa
from latent_vqa_ros.training import calibrate, distributed, export, quantize, unfamiliar
from latent_vqa_ros.training.config import Recipe
from latent_vqa_ros.training.data import Data, unasked
from latent_vqa_ros.training.run import bank_ids, history, summary

KEEP_FLOAT = ('feature_whiten', 'strange_directions')  # familiarity is measured in float
_LAST = 2  # products of the answerer: the answer's projection, and the bank it is compared with
_QUESTIONS_PER_IMAGE = 4  # for the calibration of the answerer
_VARIANTS = 4  # augmented copies of each validation image for the limit of familiarity
_FAMILIAR_IMAGES = 5000  # of training and of validation, at most, that say what is familiar
_MAX_EXAMPLES = 200  # questions that stand in the manifest

Json = dict[str, Any]


def assemble(recipe: Recipe, data: Data, model: LatentVqa, work: Path, out: Path) -> Json:
    """Write the bundle of a finished training; return the report on the test split.

    What is familiar is learned from training pictures, and stands in the weights. Computes with as
    many threads as all processes of the training have on this machine: the others wait.
    """
    torch.set_num_threads(recipe.threads * distributed.on_this_machine())
    model = model.cpu().eval()
    model.set_bank(bank_ids(data))
    familiar = _some(data.train)
    images = load_images(familiar, recipe.preprocess)
    means = calibrate.fit_familiarity(model, calibrate.variants(images, recipe, 1))
    if recipe.unfamiliar:
        white = unfamiliar.white_tables(data.train, recipe.preprocess)
        means = torch.cat([means, *(calibrate.mean_tokens(model, images)
                                    for images in calibrate.variants(white, recipe, 1))])
        unfamiliar.fit(model, means, unfamiliar.kinds(recipe, familiar), recipe.false_alarms)
    found = evidence(recipe, data, model)
    draft = Manifest(
        name=recipe.name, version=recipe.version, license=recipe.license,
        preprocess=recipe.preprocess, graphs=vqa_graphs(found is not None),
        max_tokens=recipe.model.max_tokens, vocabulary=data.tokenizer.vocabulary,
        unasked=unasked(data.tokenizer, data.questions),
        answers=data.answers, questions=examples(data.questions), evidence=found,
        architecture=to_mapping(recipe.model),
        training=history(recipe, data, work.parent))
    work.mkdir(parents=True, exist_ok=True)
    return finish(recipe, draft, data, model, work, out, summary(work.parent))


def assemble_again(recipe: Recipe, bundle: Bundle, out: Path) -> Json:
    """Make a bundle's graphs anew from its float weights, which stay as they are.

    Temperature and limits are fitted again, everything is measured again. ``recipe`` says which
    data, and how to calibrate; ConfigError where it is of another model.
    """
    has = bundle.manifest
    for name in ('name', 'preprocess'):
        if getattr(recipe, name) != getattr(has, name):
            raise ConfigError(f'{recipe.file}: {name} is not that of {bundle.path}: '
                              f'{getattr(has, name)}')
    name = mixture.PLUS.join(map(datasets.name_of, recipe.names))
    if name != has.training.get('data', name):
        raise ConfigError(f'{recipe.file}: data: {bundle.path} was made of {has.training["data"]}')
    model, built = to_mapping(recipe.model), to_mapping(architecture(has))
    differ = [key for key, value in built.items() if model[key] != value]
    if differ:
        raise ConfigError(f'{recipe.file}: model: {", ".join(differ)} not that of {bundle.path}')
    data = data_of(recipe, has)
    draft = replace(has, version=recipe.version, training={  # recipe and digest: of the weights
        **has.training, 'false_alarms': recipe.false_alarms})
    with TemporaryDirectory(prefix='latent_vqa_') as work:
        return finish(recipe, draft, data, load_model(bundle), Path(work), out, {},
                      card.training_of(bundle.path))


def data_of(recipe: Recipe, manifest: Manifest) -> Data:
    """Return the data that a bundle was measured on, and a few training records to calibrate."""
    further = [name for name, found in manifest.metrics.items()
               if name not in ('float', 'int8') and isinstance(found, dict) and 'groups' in found]
    parts = []
    for name, most in recipe.sources:
        part = datasets.load(name, ('val', 'test', *_own(name, further)), most)
        parts.append(askable(mixture.first(part, most), manifest.tokenizer))
    dataset = mixture.join(parts)
    few = mixture.join([askable(datasets.load(
        name, ('train',), recipe.calibration_images, recipe.own), manifest.tokenizer)
        for name in recipe.names])
    more = {name: dataset.split(name) for name in further}
    return Data(dataset.name, few.split('train'), dataset.split('val'), dataset.split('test'),
                more, dataset.blind_records, parts[0].split('val'), manifest.tokenizer,
                manifest.answers, manifest.questions)


def _own(name: str, further: Sequence[str]) -> list[str]:
    """Return the further splits of one data set, which a mixture calls ``name/split``."""
    found = (split.rpartition('/') for split in further)
    return [split for of, _, split in found if of in ('', datasets.name_of(name))]


def finish(recipe: Recipe, draft: Manifest, data: Data, model: LatentVqa, work: Path, out: Path,
           stages: Json, training: str = '') -> Json:
    """Export, quantize, fit the limits, measure, and write the bundle; return the report.

    ``training`` is the card's section of that name, made from the report where it is empty.
    """
    looks = draft.evidence is not None
    floats = export.export_graphs(model, draft.preprocess, draft.max_tokens, work, looks)
    errors = quantize_graphs(recipe, data, floats, work)
    backends = {'float': export.load_graphs(*floats, looks),
                'int8': export.load_graphs(work / IMAGE_ENCODER, work / ANSWERER, looks)}
    images = load_images(_some(data.fitted), draft.preprocess)
    limit = calibrate.fit_max_distance(
        backends['int8'], calibrate.variants(images, recipe, _VARIANTS), recipe.false_alarms)
    manifest, report = measure(replace(draft, max_distance=round(limit, 4)), data, backends)
    modules = count(model, draft.preprocess, draft.max_tokens)
    report |= {'weight_errors': errors, 'modules': modules, 'stages': stages}
    export.save_weights(model, work)
    return deliver(manifest, report, work, out, training)


def _some(records: Sequence[Record]) -> Sequence[Record]:
    """Return at most so many records, evenly drawn, as say what is familiar."""
    return records[::-(-len(records) // _FAMILIAR_IMAGES)]


def examples(questions: Sequence[str]) -> tuple[str, ...]:
    """Return questions for the manifest, evenly drawn, and one of each kind that is rarer.

    So the runtime refuses no kind of question that training has (``core.asking``).
    """
    found = list(questions[::-(-len(questions) // _MAX_EXAMPLES)])
    have = set[int]().union(*map(kinds, found))
    for question in questions:
        new = kinds(question) - have
        if new:
            found.append(question)
            have |= new
    return tuple(found)


def evidence(recipe: Recipe, data: Data, model: LatentVqa) -> EvidenceConfig | None:
    """Return which words get a place: those that name things in training, if it taught that."""
    named = {word for _, question in questions_of(data.train) for phrase in question.phrases
             if phrase.named for word in words(question.text)[phrase.start:phrase.stop]}
    if not named or not recipe.finetune.grounding_weight:
        return None
    return EvidenceConfig(model.clip.image_encoder.grid, tuple(sorted(named)))


def quantize_graphs(recipe: Recipe, data: Data, floats: tuple[Path, Path],
                    work: Path) -> dict[str, float]:
    """Write both int8 graphs to ``work``; return the rounding errors of weights, largest first."""
    images, tokens = calibration_inputs(recipe, data)
    backend = export.load_graphs(*floats)
    answerer_feeds = []
    for image, asked in zip(images, tokens, strict=True):
        features = backend.encode(image)[0].copy()  # else it holds the graphs' bounded memory
        answerer_feeds += [{'features': features, 'tokens': ids} for ids in asked]
    errors = quantize.quantize_graph(floats[0], work / IMAGE_ENCODER,
                                     [{'image': image} for image in images], KEEP_FLOAT,
                                     quantize.ALSO.get(recipe.model.image_tower, ()))
    errors |= quantize.quantize_graph(floats[1], work / ANSWERER, answerer_feeds,
                                      keep_last=_LAST)
    quantize.feed_pixels(work / IMAGE_ENCODER, recipe.preprocess)
    return dict(sorted(errors.items(), key=lambda item: -item[1]))


def calibration_inputs(recipe: Recipe, data: Data) -> tuple[
        NDArray[np.uint8], list[list[NDArray[np.int64]]]]:
    """Return training images, evenly drawn by the recipe's seed, and some questions of each."""
    rng = np.random.default_rng((recipe.seed, 3))
    rows = rng.permutation(len(data.train))[:recipe.calibration_images]
    records = [data.train[row] for row in rows]
    asked = []
    for record in records:
        picks = rng.permutation(len(record.questions))[:_QUESTIONS_PER_IMAGE]
        asked.append([data.tokenizer.encode(record.questions[i].text) for i in picks])
    return load_images(records, recipe.preprocess), asked


def measure(draft: Manifest, data: Data,
            backends: dict[str, Network]) -> tuple[Manifest, Json]:
    """Fit the temperature on validation, then report on the test split."""
    val = evaluate.predict(backends['int8'], draft, data.fitted, 'calibrate')
    temperature = calibrate.fit_temperature(torch.from_numpy(val.logits),
                                            torch.from_numpy(val.truth))
    manifest = replace(draft, temperature=round(temperature, 4))
    test = {name: evaluate.predict(backend, manifest, data.test, f'test {name}')
            for name, backend in backends.items()}
    report: Json = {
        name: evaluate.report(found, manifest, data.test, data.blind, data.name, 'test')
        for name, found in test.items()}
    report['more'] = {
        name: evaluate.report(evaluate.predict(backends['int8'], manifest, records, name),
                              manifest, records, data.blind, data.name, name)
        for name, records in data.more.items()}
    report['disagreement'] = evaluate.disagreement(test['float'], test['int8'])
    report['reliability'] = evaluate.reliability(test['int8'], manifest)
    report['mistakes'] = mistakes.surest(test['int8'], manifest, data.test)
    report['causes'] = mistakes.causes(test['int8'], manifest, data.test)
    report['counts'] = {name: counts(records) for name, records
                        in (('train', data.train), ('val', data.val), ('test', data.test),
                            *data.more.items())}
    report['blind'] = '` and `'.join(sorted({record.split for record in data.blind}))
    return manifest, report


def counts(records: Sequence[Record]) -> dict[str, int]:
    """Return how much there is of what a training takes."""
    return {'pictures': len(records), 'questions': sum(len(r.questions) for r in records),
            'captions': sum(len(r.captions) for r in records),
            'described things': sum(bool(region.caption) for r in records for region in r.regions)}


def deliver(manifest: Manifest, report: Json, work: Path, out: Path, training: str) -> Json:
    """Put the bundle in its folder once all of it is there and can be loaded.

    Until then a bundle that was there stays as it is; then its manifest goes first and the new one
    comes last. BundleError where nobody could load the new one.
    """
    names = (IMAGE_ENCODER, ANSWERER, WEIGHTS)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix='.bundle-', dir=out) as scratch:
        made = Path(scratch)
        for name in names:
            shutil.copyfile(work / name, made / name)
        _describe(manifest, report, made, training, names)
        load(made)
        for name in (MANIFEST, card.WRONG):
            (out / name).unlink(missing_ok=True)
        for path in sorted(made.iterdir(), key=lambda path: path.name == MANIFEST):
            path.replace(out / path.name)
    return report


def _describe(manifest: Manifest, report: Json, out: Path, training: str,
              names: tuple[str, ...]) -> None:
    """Write card and manifest of the files that are there."""
    kept = ('n', 'accuracy', 'blind_accuracy', 'groups', 'ece', 'ece_uncalibrated', 'pointing')
    runs = {'float': report['float'], 'int8': report['int8'], **report['more']}
    metrics = {**{run: {key: rounded(found[key]) for key in kept if key in found}
                  for run, found in runs.items()},
               'disagreement': rounded(report['disagreement']), 'modules': report['modules']}
    card.write(out, manifest, report, training)
    export.write_manifest(out, replace(manifest, metrics=metrics), names)


def rounded(value: Any) -> Any:
    """Return a document with its floats rounded to six digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
