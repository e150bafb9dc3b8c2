// Who lost pieces pays who rebuilt them, from its stake. Caught losing: its share for each piece, half of which goes to the repairer and half is
// gone. Silent, or admitted by itself: a tenth of that, for the repairer, who has had the work.
//
// It is never refused and charges what is there: a node without stake, or that is gone, has nothing to take.

import { z } from 'zod';
import { digestOf, uint } from '../../base/codec.ts';
import type { NodeId } from '../../base/ids.ts';
import { REPLACEMENTS_MAX } from '../../base/limits.ts';
import { minusAmounts, NOTHING } from '../amounts.ts';
import { bondsKey, unbondingKey } from '../bonds.ts';
import { nodeKeyStateKey, nodeWithKey } from '../node.ts';
import type { Delivery } from '../operation.ts';
import { MILLION, parametersKey, parametersOf } from '../parameters.ts';
import { readAll } from '../read-all.ts';
import { shareOf } from '../stake.ts';
import { slashStake } from '../stake-changes.ts';
import { burn, supplyKey } from '../supply.ts';
import { pay } from '../system-operation.ts';
import { LOSS_KINDS, type LossKind } from './loss.ts';

export interface ChargeLoss {
  readonly from: NodeId;
  readonly repairer: NodeId;
  readonly loss: LossKind;
  readonly pieces: number;
}

/** Of what being caught costs, one part of so many for who was silent or admitted it. */
const ADMITTED_DIVISOR = 10n;

export const chargeLossDelivery: Delivery<ChargeLoss> = {
  kind: 'charge-loss',
  tag: 56,
  isReturn: true,
  schema: z
    .tuple([digestOf<NodeId>(), digestOf<NodeId>(), uint(LOSS_KINDS.length - 1), uint(REPLACEMENTS_MAX)])
    .transform(
      ([from, repairer, loss, pieces]): ChargeLoss => ({ from, repairer, loss: LOSS_KINDS[loss]!, pieces }),
    ),
  tuple: ({ from, repairer, loss, pieces }) => [from, repairer, LOSS_KINDS.indexOf(loss), pieces],
  touches: (_message, { from, repairer }) => [
    parametersKey(),
    supplyKey(),
    nodeKeyStateKey(from),
    nodeKeyStateKey(repairer),
  ],
  execute: (context, { from, repairer, loss, pieces }) => {
    const { state, block } = context;
    const node = nodeWithKey(state, from);
    const to = nodeWithKey(state, repairer);
    if (node === undefined) return undefined;
    readAll(state, [bondsKey(node.registration), unbondingKey(node.registration)]);
    const { lostPiecePerMillion } = parametersOf(state).audit;
    const part = loss === 'failed' ? 1n : ADMITTED_DIVISOR;
    const share = BigInt(Math.min(MILLION, lostPiecePerMillion * pieces));
    const taken = slashStake(state, node, block.epoch, share, BigInt(MILLION) * part);
    const reward = to === undefined ? NOTHING : loss === 'failed' ? shareOf(taken, 1n, 2n) : taken;
    burn(state, minusAmounts(taken, reward) ?? NOTHING);
    if (to !== undefined) pay(context, to.operator, reward);
    return undefined;
  },
};
