import pytest
import torch
from torch.nn import functional

from metrichmsr_ros.models.attention import SelfAttention
from metrichmsr_ros.models.human_moe import HumanMoE, ImageExperts, MoEBlock, stages

DIM, HIDDEN, HEADS = 16, 12, 4


RAYS = 2


def make(routed: int) -> HumanMoE:
    torch.manual_seed(0)
    return HumanMoE(DIM, heads=HEADS, hidden=HIDDEN, routed=routed, per_token=[True, False])


@pytest.mark.parametrize('routed', [0, 1, 2, 4, 8, 32])
def test_gates_are_a_share_of_each_routed_expert(routed: int):
    tokens, normed, router = make(routed)(torch.randn(3, 9, DIM), RAYS)
    assert tokens.shape == normed.shape == (3, 9, DIM)
    assert [gates.shape for gates in router] == 2 * [(3, 7, routed)]
    if routed:
        torch.testing.assert_close(torch.stack(router).sum(-1), torch.ones(2, 3, 7))
        assert (torch.stack(router) > 0).all()


def test_grouped_products_are_the_sum_over_experts():
    torch.manual_seed(0)
    experts = ImageExperts(DIM, HIDDEN, 4)
    torch.nn.init.normal_(experts.routed_bias)
    tokens, gates = torch.randn(2, 5, DIM), torch.rand(2, 5, 4)
    enter = experts.enter.weight.unflatten(0, (5, HIDDEN))
    enter_bias = experts.enter.bias.unflatten(0, (5, HIDDEN))
    leave = experts.leave.weight.unflatten(1, (5, HIDDEN))
    biases = [experts.leave.bias, *experts.routed_bias]
    expected = 0
    for i in range(5):
        units = functional.gelu(tokens @ enter[i].T + enter_bias[i])
        gate = gates[..., i - 1 : i] if i else 1
        expected = expected + gate * (units @ leave[:, i].T + biases[i])
    torch.testing.assert_close(experts(tokens, gates), expected)


def test_without_routed_experts_it_is_a_plain_ffn():
    experts = ImageExperts(DIM, HIDDEN, 0)
    tokens = torch.randn(2, 5, DIM)
    plain = torch.nn.Sequential(experts.enter, torch.nn.GELU(), experts.leave)
    torch.testing.assert_close(experts(tokens, tokens[..., :0]), plain(tokens))


def test_one_routed_expert_is_always_on():
    experts = ImageExperts(DIM, HIDDEN, 1)
    tokens = torch.randn(2, 5, DIM)
    plain = torch.nn.Sequential(experts.enter, torch.nn.GELU(), experts.leave)
    block = MoEBlock(DIM, heads=HEADS, hidden=HIDDEN, routed=1, per_token=True)
    gates = block.router(tokens)
    torch.testing.assert_close(gates, torch.ones(2, 5, 1))
    expected = plain(tokens) + experts.routed_bias[0]
    torch.testing.assert_close(experts(tokens, gates), expected)


def test_patch_blocks_gate_tokens_and_global_blocks_people():
    _, _, (patch, whole) = make(4)(torch.randn(3, 9, DIM), RAYS)
    assert patch.std(dim=1).max() > 1e-3
    torch.testing.assert_close(whole, whole[:, :1].expand_as(whole))
    assert whole[:, 0].std(dim=0).max() > 1e-4


def test_ray_tokens_have_an_expert_of_their_own():
    block = MoEBlock(DIM, heads=HEADS, hidden=HIDDEN, routed=4, per_token=True)
    tokens = torch.randn(2, 9, DIM)
    before, _ = block(tokens, 2)
    with torch.no_grad():
        for parameter in block.image_experts.parameters():
            parameter.mul_(2)
    after, _ = block(tokens, 2)
    torch.testing.assert_close(before[:, 7:], after[:, 7:])
    assert (before[:, :7] - after[:, :7]).abs().max() > 1e-3


def test_people_do_not_see_each_other():
    moe = make(4)
    tokens = torch.randn(3, 9, DIM)
    together = moe(tokens, RAYS)
    alone = [moe(tokens[i : i + 1], RAYS) for i in (2, 0, 1)]
    for part in (0, 1):
        expected = torch.cat([one[part] for one in alone])
        torch.testing.assert_close(together[part][[2, 0, 1]], expected, atol=1e-5, rtol=1e-5)


def test_image_tokens_have_no_order():
    moe, order = make(4), [*torch.randperm(7), 7, 8]
    tokens = torch.randn(2, 9, DIM)
    torch.testing.assert_close(moe(tokens[:, order], RAYS)[0], moe(tokens, RAYS)[0][:, order])


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        ((2, 2, 1), [[True, True, False, False]]),
        ((2, 2, 2), [[True, True], [False, False]]),
        ((2, 2, 4), [[True], [True], [False], [False]]),
        ((0, 3, 2), [[False], [False, False]]),
    ],
)
def test_blocks_are_spread_over_stages(counts: tuple[int, int, int], expected: list[list[bool]]):
    assert stages(*counts) == expected


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match='heads is 3: it must divide dim, 16'):
        SelfAttention(16, 3)
