// Pieces of an object, or copies of its manifest, go to another holder, which has confirmed that it has them. Who may say so follows from the
// reason: the owner, for its own object; the operator of a holder that hands over; anybody when the holder is no member any more, and
// then only to a storage member of the object's shard, so that whoever repairs cannot draw pieces to nodes of its own choice.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { digestOf, uint } from '../../base/codec.ts';
import type { NodeId, ObjectId, OwnerId } from '../../base/ids.ts';
import {
  changeHolder,
  type HolderChange,
  type Replacement,
  replacementsSchema,
  replacementsTuple,
  touchesOfHolderChange,
} from '../holder-change.ts';
import { homeOperation, type HomeOperation } from '../home-operation.ts';
import { operatorIdOf } from '../members.ts';
import { objectHome } from '../state-key.ts';

/** Why: the owner wants it, the holder hands over, the holder is no member any more. */
export const REPLACEMENT_REASONS = ['chosen', 'handover', 'gone'] as const;
export type ReplacementReason = (typeof REPLACEMENT_REASONS)[number];

export interface ReplaceHolder {
  readonly object: ObjectId;
  /** The new one. */
  readonly holder: NodeId;
  readonly reason: ReplacementReason;
  /** All of them or none. */
  readonly replacements: readonly Replacement[];
}

export const replaceHolder: HomeOperation<ReplaceHolder> = homeOperation({
  kind: 'replace-holder',
  tag: 50,
  schema: z
    .tuple([
      digestOf<ObjectId>(),
      digestOf<NodeId>(),
      uint(REPLACEMENT_REASONS.length - 1),
      replacementsSchema,
    ])
    .transform(
      ([object, holder, reason, replacements]): ReplaceHolder => ({
        object,
        holder,
        reason: REPLACEMENT_REASONS[reason]!,
        replacements,
      }),
    ),
  tuple: ({ object, holder, reason, replacements }) => [
    object,
    holder,
    REPLACEMENT_REASONS.indexOf(reason),
    replacementsTuple(replacements),
  ],
  home: ({ object }) => objectHome(object),
  touches: (_from, { object }) => touchesOfHolderChange(object),
  execute: (context, { from, action }) =>
    changeHolder(context, { ...action, problem: authorityOf(from, action) }),
});

/** Whether the sender may take something from its holder, or from nobody. */
function authorityOf(from: OwnerId, { reason, holder, object: id }: ReplaceHolder): HolderChange['problem'] {
  return (members, object, old) => {
    const member = old === undefined ? undefined : members.get(old);
    switch (reason) {
      case 'chosen':
        return equal(object.owner, from) ? undefined : 'not-the-owner';
      case 'handover':
        return member?.operator === operatorIdOf(from) ? undefined : 'not-the-operator';
      case 'gone':
        if (member !== undefined) return 'too-early';
        return members.storesFor(holder, id) ? undefined : 'invalid-argument';
    }
  };
}
