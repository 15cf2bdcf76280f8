"""The whole way from clips to the result page, on small clips without photographs."""

import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from sam2_ros.evaluation.benchmark import Benchmark
from sam2_ros.evaluation.datasets.clips import TargetClip
from sam2_ros.evaluation.datasets.synthetic import SUBSETS, Subset, benchmark_clip
from sam2_ros.evaluation.measures import speed
from sam2_ros.evaluation.measures.scores import RunScore
from sam2_ros.evaluation.measures.speed import FrameTime, time_trackers
from sam2_ros.evaluation.network import NetworkSource
from sam2_ros.evaluation.pages.synthetic import SyntheticReport, write_report
from sam2_ros.evaluation.predictions import ConfigMismatchError, PredictionStore, RunKey
from sam2_ros.evaluation.protocols.first_frame import PROMPT_KINDS, box_prompt, point_prompt, track_clip
from sam2_ros.synthetic.scene import PRESETS, make_clip
from sam2_ros.tracking import VideoTracker
from tests.common import MICRO

pytestmark = pytest.mark.slow

SCENE = replace(PRESETS['occlusion'], height=96, width=128, frames=8, photos=0.0)
SMALL = Subset(SCENE, clips=2, first_seed=77)


@pytest.fixture(scope='module')
def network(micro_weights: Path) -> NetworkSource:
    return NetworkSource(MICRO, micro_weights, image_size=128)


@pytest.fixture(scope='module')
def clip() -> TargetClip:
    return benchmark_clip(SMALL, 0)


def test_a_clip_is_always_the_same_and_can_be_prompted(clip: TargetClip) -> None:
    again, other = benchmark_clip(SMALL, 0), benchmark_clip(SMALL, 1)
    assert clip.digest() == again.digest() != other.digest()
    assert clip.images.shape == (8, 96, 128, 3)
    assert clip.truth.shape == (8, 96, 128)
    assert clip.truth.dtype == bool
    assert np.count_nonzero(clip.truth[0]) >= 4
    assert other.seed >= 77 + 100


def test_targets_that_cannot_be_prompted_are_passed_over() -> None:
    tiny = replace(SMALL, scene=replace(SCENE, height=192, width=256, frames=2, radius=(0.001, 0.002)))
    with pytest.raises(ValueError, match='none of 100 seeds from 77'):
        benchmark_clip(tiny, 0)


def test_clips_can_be_of_the_material_of_training(clip: TargetClip) -> None:
    seen = benchmark_clip(replace(SMALL, split='train'), 0)
    np.testing.assert_array_equal(seen.images, make_clip(seen.seed, SCENE, split='train').images)
    np.testing.assert_array_equal(clip.images, make_clip(clip.seed, SCENE, split='heldout').images)


def test_the_benchmark_has_the_five_subsets_it_promises() -> None:
    assert list(SUBSETS) == ['plain', 'lookalikes', 'occlusion', 're_entry', 'small']
    assert all(60 <= subset.scene.frames <= 200 for subset in SUBSETS.values())
    seeds = [range(subset.first_seed, subset.first_seed + 100 * subset.clips) for subset in SUBSETS.values()]
    assert len(set().union(*seeds)) == sum(map(len, seeds))  # no clip is in two subsets


def test_prompts_are_made_from_the_true_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:11, 6:25] = True
    mask[7, 25:29] = True  # a thin tail, which a click in the middle avoids
    assert box_prompt('a', mask).box.tolist() == [6, 4, 29, 11]
    x, y = point_prompt('a', mask).points[0]
    assert y == 7
    assert 9 <= x <= 21
    assert (PROMPT_KINDS['mask']('a', mask).mask == mask).all()


def test_runs_that_share_the_encoder_give_what_each_gives_alone(network: NetworkSource, clip: TargetClip) -> None:
    model = network.load()
    runs = [RunKey(policy, prompt, 0) for policy in ('sam2', 'dam') for prompt in PROMPT_KINDS]
    together = track_clip(model, dict.fromkeys(runs, clip))
    assert list(together) == runs
    for run in runs:
        tracker = VideoTracker(model, memory=run.policy)
        prompt = PROMPT_KINDS[run.prompt]('target', clip.truth[0])
        alone = [tracker.step(rgb, [prompt] * (frame == 0))['target'] for frame, rgb in enumerate(clip.images)]
        scores = [result.object_score_logit for result in alone]
        np.testing.assert_allclose(together[run].object_score, scores, atol=1e-3)
        differing = np.count_nonzero(together[run].masks ^ np.stack([result.mask for result in alone]))
        assert differing <= 1e-3 * clip.truth.size


@pytest.fixture(scope='module')
def benchmark(network: NetworkSource) -> Benchmark:
    return Benchmark(network, {'occlusion': SMALL}, policies=('sam2', 'dam'), prompts=('box', 'mask'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('predictions')


@pytest.fixture(scope='module')
def stores(benchmark: Benchmark, folder: Path) -> dict[str, PredictionStore]:
    return benchmark.open_stores(folder)


@pytest.fixture(scope='module')
def scores(benchmark: Benchmark, stores: dict[str, PredictionStore]) -> list[RunScore]:
    return benchmark.run(stores)


def test_every_clip_is_run_with_every_policy_from_every_prompt(scores: list[RunScore]) -> None:
    keys = [score.key for score in scores]
    assert len(keys) == len(set(keys)) == 8
    assert set(keys) == {RunKey(p, k, c) for p in ('sam2', 'dam') for k in ('box', 'mask') for c in (0, 1)}
    assert all(score.region.shape == (7,) and score.subset == 'occlusion' for score in scores)


def test_only_what_is_missing_is_predicted_again(
    benchmark: Benchmark, folder: Path, stores: dict[str, PredictionStore], scores: list[RunScore]
) -> None:
    files = {file: file.stat().st_mtime_ns for file in folder.rglob('*.npz')}
    assert len(files) == 8
    lost = stores['occlusion'].folder / RunKey('dam', 'box', 1).file_name
    lost.unlink()
    again = benchmark.run(benchmark.open_stores(folder), workers=2)
    assert [file for file, time in files.items() if file.stat().st_mtime_ns != time] == [lost]
    for before, after in zip(scores, again, strict=True):
        assert before.key == after.key
        np.testing.assert_allclose(before.region, after.region, atol=0.02)


def test_predictions_of_other_weights_code_or_clips_are_not_mixed_in(
    benchmark: Benchmark, folder: Path, scores: list[RunScore], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / 'weights.safetensors'
    shutil.copy(benchmark.network.checkpoint, other)
    changed = replace(benchmark, network=replace(benchmark.network, checkpoint=other))
    changed.open_stores(folder)  # the same weights elsewhere
    tensors = load_file(other)
    save_file({name: tensor * 0.5 for name, tensor in tensors.items()}, other)
    with pytest.raises(ConfigMismatchError, match='weights_sha256'):
        replace(changed, network=replace(changed.network)).open_stores(folder)
    further = replace(benchmark, subsets={'occlusion': replace(SMALL, first_seed=SMALL.first_seed + 1)})
    with pytest.raises(ConfigMismatchError, match='first_seed'):
        further.open_stores(folder)
    seen = replace(benchmark, subsets={'occlusion': replace(SMALL, split='train')}).open_stores(folder)['occlusion']
    assert not any(seen.has(score.key) for score in scores)  # beside the others
    monkeypatch.setattr('sam2_ros.evaluation.benchmark.code_digest', lambda _: 'of other sources')
    with pytest.raises(ConfigMismatchError, match='code_sha256'):
        benchmark.open_stores(folder)


def test_a_checkpoint_that_changes_while_a_run_goes_on_is_refused(network: NetworkSource, tmp_path: Path) -> None:
    """Or the new network's masks would be kept as those of the old one."""
    checkpoint = tmp_path / 'weights.safetensors'
    shutil.copy(network.checkpoint, checkpoint)
    changing = replace(network, checkpoint=checkpoint)
    assert changing.weights_digest == network.weights_digest
    changing.load()
    save_file({name: tensor * 0.5 for name, tensor in load_file(checkpoint).items()}, checkpoint)
    with pytest.raises(ValueError, match=r'weights\.safetensors has changed since this run began'):
        changing.load()


def test_what_is_asked_for_twice_is_refused(benchmark: Benchmark) -> None:
    """A second prompt of a kind would be a correction."""
    with pytest.raises(ValueError, match='prompts must be named once each, not box box'):
        replace(benchmark, prompts=('box', 'box'))


def test_scores_are_made_from_the_disk(benchmark: Benchmark, stores: dict[str, PredictionStore]) -> None:
    broken = replace(benchmark, network=replace(benchmark.network, checkpoint=Path('nowhere.pt')))
    assert len(broken.run(stores)) == 8  # the network is not needed where all predictions are there


def test_the_page_has_a_row_for_every_run_and_its_pictures(
    tmp_path: Path, benchmark: Benchmark, stores: dict[str, PredictionStore], scores: list[RunScore]
) -> None:
    times = [FrameTime('sam2', 20.0, 1.0, 0.0), FrameTime('dam', 25.0, 1.25, 0.01)]
    report = SyntheticReport('introduction', ['occlusion'], benchmark.policies, benchmark.prompts, scores, times)
    page = write_report(
        tmp_path, report, load=lambda run: (benchmark_clip(SMALL, run.key.clip), stores['occlusion'].load(run.key))
    ).read_text()
    for prompt in benchmark.prompts:
        for policy in benchmark.policies:
            (row,) = re.findall(rf'^\| {prompt} \| {policy} \| .*$', page, re.MULTILINE)
            mean = np.mean([run.mean_region for run in report.select('occlusion', policy, prompt)])
            assert f'{mean:.3f} ±' in row
    assert '| dam | 25.0 | 40.0 | 1.250 ± 0.010 |' in page
    pictures = re.findall(r'!\[.*\]\((.+)\)', page)
    assert pictures == ['synthetic_occlusion.png', 'synthetic_occlusion_worst.jpg']
    for picture in pictures:
        assert cv2.imread(str(tmp_path / picture)).std() > 1


def test_times_are_relative_to_the_first_tracker(network: NetworkSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match='more than 16 frames'):
        time_trackers({}, clips=[benchmark_clip(SMALL, 0)])
    monkeypatch.setattr(speed, 'WARM_UP_FRAMES', 2)
    model = network.load()
    trackers = {policy: partial(VideoTracker, model, memory=policy) for policy in ('sam2', 'dam')}
    times = time_trackers(trackers, clips=[benchmark_clip(SMALL, 0), benchmark_clip(SMALL, 1)])
    assert [time.name for time in times] == ['sam2', 'dam']
    assert (times[0].ratio, times[0].ratio_error) == (1, 0)
    assert all(time.median > 0 and time.ratio > 0 for time in times)
