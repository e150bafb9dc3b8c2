// Stake that shrinks by a slash or grows by a reward: every owner behind a node by the same share, rounded down.

import type { Epoch } from '../base/ids.ts';
import { type Amounts, amountOf, NATIVE, plusAmounts } from './amounts.ts';
import { bondsOf, lessOf, putBonds, putUnbonding, sumOf, unbondingOf } from './bonds.ts';
import { type NodeRecord, putNode } from './node.ts';
import type { Parameters } from './parameters.ts';
import { shareOf, stakeOf } from './stake.ts';
import type { Overlay } from './view.ts';

/** Takes numerator / denominator of all that is liable for `epoch`; gives what was taken. */
export function slashStake(
  state: Overlay,
  node: NodeRecord,
  epoch: Epoch,
  numerator: bigint,
  denominator: bigint,
): Amounts {
  const ofBonds = bondsOf(state, node.registration).map(({ owner, amounts }) => {
    const taken = shareOf(amounts, numerator, denominator);
    return { taken, bond: { owner, amounts: lessOf(amounts, taken) } };
  });
  const ofQueue = unbondingOf(state, node.registration).map((entry) => {
    const isLiable = entry.lastEpoch === null || entry.lastEpoch >= epoch;
    const cut = isLiable ? (entry.amount * numerator) / denominator : 0n;
    return { taken: amountOf(entry.asset, cut), entry: { ...entry, amount: entry.amount - cut } };
  });
  putBonds(
    state,
    node.registration,
    ofBonds.map(({ bond }) => bond),
  );
  putUnbonding(
    state,
    node.registration,
    ofQueue.map(({ entry }) => entry),
  );
  const fromBonds = sumOf(ofBonds.map(({ taken }) => taken));
  const fromWaiting = sumOf(
    ofQueue.filter(({ entry }) => entry.lastEpoch === null).map(({ taken }) => taken),
  );
  putNode(state, {
    ...node,
    bonded: lessOf(node.bonded, fromBonds),
    waiting: lessOf(node.waiting, fromWaiting),
  });
  return plusAmounts(fromBonds, sumOf(ofQueue.map(({ taken }) => taken)));
}

/** Adds native tokens to the bonds by what each is worth, rounded down; gives what was added. */
export function rewardStake(
  state: Overlay,
  parameters: Parameters,
  node: NodeRecord,
  amount: bigint,
): bigint {
  const bonds = bondsOf(state, node.registration);
  const stakes = bonds.map(({ amounts }) => stakeOf(parameters, amounts) as bigint);
  const total = stakes.reduce((sum, stake) => sum + stake, 0n);
  if (total === 0n) return 0n;
  const gains = stakes.map((stake) => (amount * stake) / total);
  putBonds(
    state,
    node.registration,
    bonds.map(({ owner, amounts }, index) => ({
      owner,
      amounts: plusAmounts(amounts, amountOf(NATIVE, gains[index]!)),
    })),
  );
  const given = gains.reduce((sum, gain) => sum + gain, 0n);
  putNode(state, { ...node, bonded: plusAmounts(node.bonded, amountOf(NATIVE, given)) });
  return given;
}
