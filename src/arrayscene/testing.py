"""The contracts of `Response` and `Decoder`, for people who add their own: call these from your tests.

Every check is a plain `assert` whose message says which promise is broken, by how much, and how much is allowed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from arrayscene.decoders import Decoder, Estimate
from arrayscene.errors import ArraySceneError, RecordingError, ShapeError
from arrayscene.response import Response

__all__ = ["check_decoder", "check_response"]

EXACT = 1e-9
"""Relative difference allowed in complex128 where only the order of sums differs."""


def check_response(
    response: Response,
    *,
    any_frequency: bool = True,
    device: str = "meta",
    build: Callable[..., Response] | None = None,
    inputs: Sequence[Tensor] = (),
    batches: bool = True,
    plane_waves: Callable[[Tensor, Tensor], Response] | None = None,
) -> None:
    """Hold a response A to what every response promises.

    Checked: shape and dtype of `matrix`; capture equal to the matrix product bin by bin, or, with `memory`, a frame by itself
    heard through `matrix` when it sounds, never before, and for so long; <A x, y> = <x, A^H y>; leading axes of x; the dtype of x
    is kept; frames of other axes are refused; matrices at other frequencies; `to(device)` moves everything; a diffuse field, if
    known, is Hermitian, positive semidefinite and the mean over plane waves; `select`; gradients; several geometries at once.

    Args:
        response: with at least two frequencies.
        any_frequency: whether `matrix` answers at any frequency; a response that does not must raise ShapeError.
        device: where it is moved to; "meta" shows what would stay behind on a machine that has no other device.
        build: makes the response from `inputs`, where it claims to be differentiable in them.
        inputs: float64 tensors that require gradients.
        batches: whether `build` takes leading axes of `inputs`.
        plane_waves: makes the response of the same microphones to plane waves from azimuths and elevations (source,) radians,
            where the diffuse field is to be held to its definition.

    Raises: AssertionError saying what differed.

    Cost: a few captures of five frames, 2 matrices a value of `inputs`, and one of a thousand plane waves.
    """
    A = response.matrix()
    n_freqs, n_mics, n_sources = A.shape[-3:]
    assert A.dtype == torch.complex128, f"matrix: {A.dtype} came; complex128 is promised"
    assert n_freqs == len(response.frequencies), f"matrix: {n_freqs} frequencies for {len(response.frequencies)} of the response"
    assert bool(torch.isfinite(A.detach().abs()).all()), "matrix: holds NaN or infinite values"

    x = _random(n_sources, n_freqs, 5, seed=0)
    y = _random(*A.shape[:-3], n_mics, n_freqs, 5, seed=1)
    found = response(x)
    if response.memory == 1:
        for f in range(n_freqs):
            wanted = A[..., f, :, :] @ x[:, f]
            _close(found[..., f, :], wanted, EXACT, f"forward: differs from the matrix product at frequency {f}")
    else:
        _check_memory(response, x[..., :1], A)
    captured, projected = (y.conj() * found).sum(), (response.adjoint(y).conj() * x).sum()
    _close(captured, projected, EXACT, "adjoint: <y, A x> differs from <A^H y, x>")
    if A.ndim == 3:
        batch = torch.stack([x, 2 * x.flip(-1)])[:, None]
        _close(response(batch)[1, 0], response(batch[1, 0]), EXACT, "forward: leading axes of x change the result")
    single = response(x.to(torch.complex64))
    assert single.dtype == torch.complex64, f"forward: complex64 came in, {single.dtype} went out"
    _close(single.to(found.dtype), found, 1e-5, "forward: complex64 differs from complex128")
    for wrong in (x[:, :-1], torch.cat([x, x]), x[0]):
        _refuses(ShapeError, lambda wrong=wrong: response(wrong), f"forward: frames of shape {tuple(wrong.shape)}")  # type: ignore[misc]

    _check_frequencies(response, A, any_frequency)
    moved = copy.deepcopy(response).to(device)
    for what, compute in (("matrix", moved.matrix), ("diffuse", moved.diffuse)):
        try:
            values = compute()
        except NotImplementedError:
            # "meta" holds no values for a diffuse field that looks at some.
            assert what == "diffuse", f"to({device!r}): {what} looks at values; keep as numbers what it decides by"
            continue
        arrived = values is None or values.device.type == torch.device(device).type
        assert arrived, f"to({device!r}): {what} stayed behind; register its tensors as buffers"
    _check_diffuse(response, n_mics, plane_waves)
    _check_selection(response, A)
    if build is not None:
        torch.autograd.gradcheck(lambda *values: build(*values).matrix(), tuple(inputs))
        if batches:
            other = [1.01 * values for values in inputs]
            both = build(*(torch.stack(pair) for pair in zip(inputs, other, strict=True))).matrix()
            for item, alone in enumerate((inputs, other)):
                _close(both[item], build(*alone).matrix(), EXACT, f"batch: item {item} of two differs from itself alone")


def check_decoder(
    decoder: Decoder,
    y: Tensor,
    response: Response | None = None,
    *,
    batches: bool = True,
    permutation: bool = True,
    gradients: bool = True,
    single: float = 1e-3,
) -> None:
    """Hold a decoder D to what every decoder promises.

    Checked: shapes, dtype and device of the estimate, a reliability between 0 and 1 (NaN: unknown); nothing that came in is
    changed, nothing is kept from call to call, no random number is drawn behind the generator's back; `init` and `step` over
    blocks equal `forward`; a batch equals its items one by one; complex64 agrees; 10 y gives 10 x; silence gives silence; one
    frame is enough; microphones in another order give the same sources; NaN, infinity, real numbers and wrong axes are refused;
    gradients agree with differences.

    Args:
        decoder: its `reference` microphone, if it has one, keeps its place when the others are permuted.
        y: (mic, freq, frame) complex128 recording of at least eight frames, in which the sources sound.
        response: what the decoder is told of A.
        batches: whether it takes leading axes.
        permutation: whether the order of the microphones does not matter; False for blind decoders, whose start depends on it.
        gradients: whether it claims to be differentiable in y.
        single: relative difference allowed between complex64 and complex128.

    Raises: AssertionError saying what differed.

    Cost: about twenty times the decoder's own.
    """
    kept = y.clone(), None if response is None else response.matrix().clone(), torch.get_rng_state()
    whole = decoder(y, response)
    _check_estimate(whole, y)
    assert torch.equal(y, kept[0]), "forward: the recording was changed"
    assert response is None or torch.equal(response.matrix(), kept[1]), "forward: the response was changed"  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), kept[2]), "forward: random numbers were drawn without the generator"

    other = 0.5 * y.roll(1, -1).conj()
    decoded_between = decoder(other, response)
    _close(decoder(y, response).x, whole.x, 0.0, "forward: the same recording gives another result the second time")
    _check_steps(decoder, y, response, whole)
    if batches:
        both = decoder(torch.stack([y, other]), response)
        for item, alone in enumerate((whole, decoded_between)):
            _close(both.x[item], alone.x, 1e-6, f"batch: item {item} of two differs from the same recording alone")
    half = decoder(y.to(torch.complex64), response)
    _check_estimate(half, y.to(torch.complex64))
    _close(half.x.to(y.dtype), whole.x, single, "complex64 differs from complex128")
    _close(decoder(10 * y, response).x, 10 * whole.x, 1e-6, "scale: 10 y does not give 10 x")
    for dtype in (torch.complex64, torch.complex128):
        silent = decoder(torch.zeros_like(y, dtype=dtype), response)
        _check_estimate(silent, y.to(dtype))
        assert not bool(silent.x.any()), f"silence: sound of up to {float(silent.x.abs().max()):.1e} came out in {dtype}"
        _check_estimate(decoder(y[..., :1].to(dtype), response), y[..., :1].to(dtype))
    if permutation:
        _check_permutation(decoder, y, response, whole)
    _check_refusals(decoder, y, response)
    if gradients:
        _check_gradients(decoder, y, response)


def _check_frequencies(response: Response, A: Tensor, any_frequency: bool) -> None:
    own = response.frequencies
    _close(response.matrix(own.clone()), A, 0.0, "matrix: its own frequencies, given, change the result")
    if not any_frequency:
        _refuses(ShapeError, lambda: response.matrix(0.5 * (own[1:] + own[:-1])), "matrix: unknown frequencies")
        return
    between = 0.5 * (own[1:] + own[:-1])
    both = response.matrix(torch.cat([own.flip(0), between]))
    _close(both[..., : len(own), :, :], A.flip(-3), EXACT, "matrix: the order of the frequencies changes their matrices")
    alone = response.matrix(between)
    _close(both[..., len(own) :, :, :], alone, EXACT, "matrix: the matrix at one frequency depends on the others asked for")


def _check_memory(response: Response, x: Tensor, A: Tensor) -> None:
    """A frame by itself is heard through `matrix` when it sounds, never before, for `memory` frames, and alike at any time."""
    n_frames = response.memory + 4
    early, late = (torch.nn.functional.pad(x, (start, n_frames - start - 1)) for start in (0, 3))
    heard, later = response(early), response(late)
    _close(heard[..., 0], torch.einsum("...fms,sf->...mf", A, x[..., 0]), EXACT, "forward: the first frame differs from A x")
    assert not bool(heard[..., response.memory :].any()), f"forward: heard for more than memory = {response.memory} frames"
    assert not bool(later[..., :3].any()), "forward: heard before it sounded"
    _close(later[..., 3:], heard[..., :-3], EXACT, "forward: a frame is heard otherwise at another time")


def _check_diffuse(response: Response, n_mics: int, plane_waves: Callable[[Tensor, Tensor], Response] | None) -> None:
    gamma = response.diffuse()
    if gamma is None:
        assert plane_waves is None, "diffuse: None, where the responses to plane waves are known"
        return
    size = (len(response.frequencies), n_mics, n_mics)
    assert tuple(gamma.shape[-3:]) == size, f"diffuse: shape {tuple(gamma.shape)} came; (..., {size}) is promised"
    assert gamma.dtype == torch.complex128, f"diffuse: {gamma.dtype} came; complex128 is promised"
    _close(gamma, gamma.mH, EXACT, "diffuse: not Hermitian")
    lowest, power = float(torch.linalg.eigvalsh(gamma).min()), float(gamma.detach().abs().max())
    assert lowest >= -1e-9 * power, f"diffuse: not positive semidefinite, smallest eigenvalue {lowest:.1e} of {power:.1e}"
    if plane_waves is None:
        return
    # Gauss-Legendre over elevation and even steps over azimuth: exact for the few orders that a small array hears.
    nodes, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(32))
    elevation, azimuth = 0.5 * torch.pi * nodes, torch.arange(40) * (2 * torch.pi / 40)
    grid = torch.meshgrid(elevation, azimuth.to(elevation), indexing="ij")
    A = plane_waves(grid[1].flatten(), grid[0].flatten()).matrix()
    share = (0.25 * torch.pi * weights * torch.cos(elevation)).repeat_interleave(40) / 40
    _close(gamma, (A * share) @ A.mH, 1e-6, "diffuse: differs from the mean over plane waves")


def _check_selection(response: Response, A: Tensor) -> None:
    mics, sources = list(range(A.shape[-2]))[::-1][:2], [A.shape[-1] - 1]
    chosen = response.select(sources, mics)
    _close(chosen.matrix(), A[..., mics, :][..., sources], 0.0, "select: other values than those of the whole")
    gamma, part = response.diffuse(), chosen.diffuse()
    assert (gamma is None) == (part is None), "select: the diffuse field is known of the whole or of the part only"
    if gamma is not None and part is not None:
        _close(part, gamma[..., mics, :][..., mics], 0.0, "select: another diffuse field than that of the whole")
    for wrong in ([], [0, 0], [-1], [A.shape[-1]]):
        _refuses(ShapeError, lambda wrong=wrong: response.select(wrong), f"select: sources {wrong}")  # type: ignore[misc]


def _check_estimate(estimate: Estimate, y: Tensor) -> None:
    x = estimate.x
    wanted = (*y.shape[:-3], x.shape[-3], *y.shape[-2:])
    assert tuple(x.shape) == wanted, f"estimate: x of shape {tuple(x.shape)} came for y of {tuple(y.shape)}; {wanted} is promised"
    assert x.dtype == y.dtype, f"estimate: {y.dtype} came in, {x.dtype} went out"
    assert x.device == y.device, f"estimate: y on {y.device}, x on {x.device}"
    assert bool(torch.isfinite(x.detach().abs()).all()), f"estimate: NaN or infinite values in x of y {tuple(y.shape)}, {y.dtype}"
    trust = estimate.reliability
    assert trust.shape[-2:] == (y.shape[-2], x.shape[-3]), f"reliability: {tuple(trust.shape)}; (..., freq, source) is promised"
    assert not bool(((trust < 0) | (trust > 1)).any()), "reliability: outside of 0 to 1"
    if estimate.response is not None:
        A = estimate.response.matrix()
        size = (y.shape[-2], y.shape[-3], x.shape[-3])
        assert tuple(A.shape[-3:]) == size, f"estimate: A of shape {tuple(A.shape)} came; (..., {size}) is promised"
        assert bool(torch.isfinite(A.detach().abs()).all()), "estimate: NaN or infinite values in A"


def _check_steps(decoder: Decoder, y: Tensor, response: Response | None, whole: Estimate) -> None:
    n_frames = y.shape[-1]
    sizes = [decoder.block] * -(-n_frames // decoder.block) if decoder.block else [1, n_frames // 2, n_frames - 1 - n_frames // 2]
    first = decoder.init(y, response)
    state, parts, start = first, [], 0
    for size in sizes:
        part, state = decoder.step(y[..., start : start + size], state)
        parts.append(part.x)
        start += size
    _close(torch.cat(parts, dim=-1), whole.x, EXACT, f"step: blocks of {sizes} frames differ from the whole")
    again = decoder.step(y[..., : sizes[0]], first)[0].x
    _close(again, parts[0], 0.0, "step: it changed the state that it was given")


def _check_permutation(decoder: Decoder, y: Tensor, response: Response | None, whole: Estimate) -> None:
    order = list(range(y.shape[-3]))
    moving = [mic for mic in order if mic != decoder.reference]
    for mic, other in zip(moving, moving[1:] + moving[:1], strict=True):
        order[mic] = other
    permuted = None if response is None else response.select(mics=order)
    found = decoder(y[..., order, :, :], permuted).x
    _close(found, whole.x, 1e-6, f"permutation: microphones in the order {order} give other sources")


def _check_refusals(decoder: Decoder, y: Tensor, response: Response | None) -> None:
    for value in (float("nan"), float("inf")):
        broken = y.clone()
        broken[..., 0, 0, -1] = value
        _refuses(RecordingError, lambda broken=broken: decoder(broken, response), f"a recording with {value}")  # type: ignore[misc]
    wrong = {"real numbers": y.real, "two axes": y[0], "no frame": y[..., :0]}
    if response is not None:
        wrong |= {"a microphone less than A": y[1:], "a frequency less than A": y[:, 1:], "microphones last": y.movedim(0, -1)}
    for what, frames in wrong.items():
        _refuses(ShapeError, lambda frames=frames: decoder(frames, response), what)  # type: ignore[misc]


def _check_gradients(decoder: Decoder, y: Tensor, response: Response | None) -> None:
    def loss(frames: Tensor) -> Tensor:
        energy: Tensor = decoder(frames, response).x.abs().square().sum()
        return energy

    leaf = y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    assert bool(torch.isfinite(gradient.abs()).all()), "gradients: NaN or infinite values"
    direction = _random(*y.shape, seed=2).to(y.device) * y.abs().mean()
    slope = (gradient.conj() * direction).sum().real
    # Long steps meet the corners of floors, short ones are lost in the rounding of recursions.
    with torch.no_grad():
        differences = [(loss(y + step * direction) - loss(y - step * direction)) / (2 * step) for step in (1e-5, 1e-6)]
    nearest = min(differences, key=lambda difference: float((difference - slope).abs()))
    _close(slope, nearest, 1e-4, "gradients: the slope along a random direction differs from a finite difference")


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def _close(found: Tensor, wanted: Tensor, allowed: float, what: str) -> None:
    assert found.shape == wanted.shape, f"{what}: shapes {tuple(found.shape)} and {tuple(wanted.shape)}"
    largest = float(wanted.detach().abs().max())
    error = float((found - wanted).detach().abs().max())
    assert error <= allowed * largest, (
        f"{what}: by {error:.1e} where the largest value is {largest:.1e}; {allowed:.0e} of it is allowed"
    )


def _refuses(kind: type[ArraySceneError], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__} was raised; {kind.__name__} is promised") from error
    raise AssertionError(f"{what}: accepted; {kind.__name__} is promised")
