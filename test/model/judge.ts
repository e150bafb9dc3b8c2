// What an honest validator may say, judged by its messages alone and never by the engine's own variables: a bug that corrupts a lock
// would corrupt a rule that reads the lock.

import { NO_ROUND, type BlockId, type UnsignedMessage, type VoteValue } from '../../src/consensus/types.ts';
import {
  type Facts,
  type Vocabulary,
  includes,
  isValidBlock,
  nameOf,
  validRoundsBelow,
} from './vocabulary.ts';

export interface Decision {
  readonly kind: 'decision';
  readonly round: number;
  readonly blockId: BlockId;
}

export type Deed = UnsignedMessage | Decision;

/** Can these two messages of one validator both be honest? The evidence rules E1, E2, E3 in their shortest form. */
export function conflicts(a: UnsignedMessage, b: UnsignedMessage): boolean {
  if (a.kind === b.kind)
    return a.round === b.round && (a.blockId !== b.blockId || a.validRound !== b.validRound);
  return isAmnesia(a, b) || isAmnesia(b, a);
}

function isAmnesia(precommit: UnsignedMessage, prevote: UnsignedMessage): boolean {
  return (
    precommit.kind === 'precommit' &&
    prevote.kind === 'prevote' &&
    precommit.blockId !== null &&
    prevote.blockId !== null &&
    prevote.round > precommit.round &&
    prevote.blockId !== precommit.blockId &&
    prevote.validRound < precommit.round
  );
}

export const describe = (deed: Deed): string => {
  if (deed.kind === 'decision') return `decides ${nameOf(deed.blockId)} of round ${deed.round}`;
  const claim = deed.validRound === NO_ROUND ? '' : ` on the polka of round ${deed.validRound}`;
  const verb = { proposal: 'proposes', prevote: 'prevotes', precommit: 'precommits' }[deed.kind];
  return `${verb} ${nameOf(deed.blockId)} in round ${deed.round}${claim}`;
};

/** What is wrong with `deed` after `earlier`, the messages that the same validator sent before, or undefined. */
export function faultOf(
  deed: Deed,
  earlier: readonly UnsignedMessage[],
  decided: VoteValue,
  isProposer: (round: number) => boolean,
): string | undefined {
  if (decided !== null) return `${describe(deed)} after its decision`;
  if (deed.kind === 'decision')
    return isValidBlock(deed.blockId) ? undefined : 'validity: decides an invalid block';
  if (deed.blockId !== null && !isValidBlock(deed.blockId) && deed.kind !== 'proposal')
    return `validity: ${describe(deed)}`;
  if (deed.kind === 'proposal' && !isProposer(deed.round))
    return `${describe(deed)} though it is not the proposer`;
  return faultOfPair(deed, earlier);
}

function faultOfPair(deed: UnsignedMessage, earlier: readonly UnsignedMessage[]): string | undefined {
  for (const other of earlier) {
    if (other.kind === deed.kind && other.round === deed.round)
      return `one of a kind: ${describe(other)}, and ${describe(deed)}`;
    if (isAmnesia(other, deed)) return `lock discipline: ${describe(other)}, and ${describe(deed)}`;
    if (conflicts(other, deed)) return `incriminates itself: ${describe(other)}, and ${describe(deed)}`;
  }
  return undefined;
}

/** One thing that must be true of everybody's messages when a deed is done: any of the alternatives. */
export interface Obligation {
  readonly text: string;
  readonly alternatives: readonly Facts[];
}

/** Certificate soundness and the second half of Validity. */
export function obligationsOf(deed: Deed, vocabulary: Vocabulary): readonly Obligation[] {
  const { round, blockId } = deed;
  if (blockId === null) return [];
  const text = describe(deed);
  const proposed: Obligation = {
    text: `validity: ${text}, which the proposer of that round did not propose`,
    alternatives: factsOf(vocabulary, 'proposal', round, blockId),
  };
  switch (deed.kind) {
    case 'decision':
      return [
        proposed,
        {
          text: `${text} without a commit quorum`,
          alternatives: factsOf(vocabulary, 'precommit', round, blockId),
        },
      ];
    case 'precommit':
      return [
        proposed,
        { text: `${text} without a polka`, alternatives: factsOf(vocabulary, 'prevote', round, blockId) },
      ];
    case 'prevote':
      return deed.validRound === NO_ROUND ? [proposed] : [proposed, polkaOf(deed, text, vocabulary)];
    case 'proposal':
      return deed.validRound === NO_ROUND ? [] : [polkaOf(deed, text, vocabulary)];
  }
}

function polkaOf(
  deed: { readonly validRound: number; readonly blockId: VoteValue },
  text: string,
  vocabulary: Vocabulary,
): Obligation {
  const alternatives = factsOf(vocabulary, 'prevote', deed.validRound, deed.blockId);
  return { text: `${text}, which is not there`, alternatives };
}

function factsOf(
  vocabulary: Vocabulary,
  kind: UnsignedMessage['kind'],
  round: number,
  blockId: VoteValue,
): readonly Facts[] {
  const validRounds = kind === 'precommit' ? [NO_ROUND] : validRoundsBelow(round);
  return validRounds.flatMap((validRound) => {
    const index = vocabulary.find({ kind, round, blockId, validRound });
    return index === undefined ? [] : [vocabulary.messages[index]!.fact];
  });
}

export const isMet = (obligation: Obligation, facts: Facts): boolean =>
  obligation.alternatives.some((alternative) => includes(facts, alternative));
