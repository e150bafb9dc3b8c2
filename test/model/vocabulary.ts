// What can be said within a bounded number of rounds, numbered: every message is one bit, so that what a validator has said is three
// words and a guard is a mask. Facts only ever grow, because nothing that was sent is ever unsent; all reductions rest on that.
//
// `vocabulary.ts` knows what may be said and what a round input needs; it does not know the engine.

import { NO_ROUND, type BlockId, type UnsignedMessage, type VoteValue } from '../../src/consensus/types.ts';
import type { RoundInput } from '../../src/consensus/round.ts';

/** More would not fit the words; with three honest validators, three is what fits a machine. */
export const ROUNDS_MAX = 4;

/** Two blocks that the application finds valid, and one that it does not. */
export const A: BlockId = 'a'.repeat(64) as BlockId;
export const B: BlockId = 'b'.repeat(64) as BlockId;
export const INVALID: BlockId = 'e'.repeat(64) as BlockId;
export const BLOCKS: readonly BlockId[] = [A, B, INVALID];

export const isValidBlock = (blockId: BlockId): boolean => blockId !== INVALID;

export const nameOf = (value: VoteValue): string =>
  value === null ? 'nil' : value === A ? 'A' : value === B ? 'B' : value === INVALID ? 'invalid' : value;

/** A set of facts. `proposals` also holds the marks "has voted in round q or later". */
export interface Facts {
  readonly proposals: number;
  readonly prevotes: number;
  readonly precommits: number;
}

export const NOTHING: Facts = { proposals: 0, prevotes: 0, precommits: 0 };

export const union = (a: Facts, b: Facts): Facts => ({
  proposals: a.proposals | b.proposals,
  prevotes: a.prevotes | b.prevotes,
  precommits: a.precommits | b.precommits,
});

export const includes = (all: Facts, part: Facts): boolean =>
  (all.proposals & part.proposals) === part.proposals &&
  (all.prevotes & part.prevotes) === part.prevotes &&
  (all.precommits & part.precommits) === part.precommits;

export const intersection = (a: Facts, b: Facts): Facts => ({
  proposals: a.proposals & b.proposals,
  prevotes: a.prevotes & b.prevotes,
  precommits: a.precommits & b.precommits,
});

/** A round input and the alternatives of facts that make it true; `[NOTHING]` for what may always happen. */
export interface GuardedInput {
  readonly input: RoundInput;
  readonly needs: readonly Facts[];
}

export interface Sayable {
  readonly message: UnsignedMessage;
  /** The bit of the message itself. */
  readonly fact: Facts;
  /** What its sending makes true: the message, "any vote of this kind", and the marks of its round. */
  readonly effect: Facts;
}

export interface Vocabulary {
  readonly rounds: number;
  readonly messages: readonly Sayable[];
  readonly inputs: readonly GuardedInput[];
  /** Bits of `Facts.proposals` that are marks, true by weak weight, not proposals. */
  readonly markMask: number;
  find(message: Omit<UnsignedMessage, 'height' | 'validator'>): number | undefined;
  /** All facts that are proposals of `round`. */
  proposalsOf(round: number): Facts;
}

const keyOf = (message: Omit<UnsignedMessage, 'height' | 'validator'>): string =>
  `${message.kind} ${message.round} ${nameOf(message.blockId)} ${message.validRound}`;

const below = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** NO_ROUND and every round before `round`: what a validRound may be. */
export const validRoundsBelow = (round: number): number[] => [NO_ROUND, ...below(round)];

/**
 * What `blockId` may be proposed on. No polka can carry an invalid block unless somebody honest has prevoted it, and that is a
 * violation by itself.
 */
const claimsOf = (round: number, blockId: BlockId): number[] =>
  isValidBlock(blockId) ? validRoundsBelow(round) : [NO_ROUND];

export function vocabulary(rounds: number): Vocabulary {
  const words = { proposal: 0, prevote: 0, precommit: 0 };
  const fact = (kind: keyof typeof words): Facts => {
    const bit = 1 << words[kind]++;
    if (kind === 'proposal') return { ...NOTHING, proposals: bit };
    return kind === 'prevote' ? { ...NOTHING, prevotes: bit } : { ...NOTHING, precommits: bit };
  };
  const marks = below(rounds).map((round) => (round === 0 ? NOTHING : fact('proposal')));
  const anyPrevote = below(rounds).map(() => fact('prevote'));
  const anyPrecommit = below(rounds).map(() => fact('precommit'));
  const messages = allMessages(rounds).map((message): Sayable => {
    const own = fact(message.kind);
    if (message.kind === 'proposal') return { message, fact: own, effect: own };
    const any = message.kind === 'prevote' ? anyPrevote : anyPrecommit;
    const passed = marks.slice(0, message.round + 1).reduce(union, NOTHING);
    return { message, fact: own, effect: union(own, union(any[message.round]!, passed)) };
  });
  const index = new Map(messages.map((entry, position) => [keyOf(entry.message), position]));
  const factOf = (
    kind: UnsignedMessage['kind'],
    round: number,
    blockId: VoteValue,
    validRound: number,
  ): Facts => messages[index.get(`${kind} ${round} ${nameOf(blockId)} ${validRound}`)!]!.fact;
  return {
    rounds,
    messages,
    markMask: marks.reduce(union, NOTHING).proposals,
    inputs: allInputs(rounds, { factOf, marks, anyPrevote, anyPrecommit }),
    find: (message) => index.get(keyOf(message)),
    proposalsOf: (round) =>
      messages
        .filter((entry) => entry.message.kind === 'proposal' && entry.message.round === round)
        .map((entry) => entry.fact)
        .reduce(union, NOTHING),
  };
}

function allMessages(rounds: number): UnsignedMessage[] {
  const from = { height: 1, validator: 0 };
  return below(rounds).flatMap((round): UnsignedMessage[] => {
    const carried = BLOCKS.flatMap((blockId) =>
      claimsOf(round, blockId).flatMap((validRound): UnsignedMessage[] => [
        { ...from, kind: 'proposal', round, blockId, validRound },
        { ...from, kind: 'prevote', round, blockId, validRound },
      ]),
    );
    const precommits = [null, ...BLOCKS].map(
      (blockId): UnsignedMessage => ({ ...from, kind: 'precommit', round, blockId, validRound: NO_ROUND }),
    );
    return [
      ...carried,
      { ...from, kind: 'prevote', round, blockId: null, validRound: NO_ROUND },
      ...precommits,
    ];
  });
}

interface Numbering {
  readonly factOf: (
    kind: UnsignedMessage['kind'],
    round: number,
    blockId: VoteValue,
    validRound: number,
  ) => Facts;
  /** By round: has voted there or later. */
  readonly marks: readonly Facts[];
  readonly anyPrevote: readonly Facts[];
  readonly anyPrecommit: readonly Facts[];
}

/**
 * Every round input and when it is true. A superset of what any driver offers on any schedule: an input may come as soon as its
 * facts are there, at any later time, repeatedly, or never. Verdicts are true to the application; a block that is not yet held
 * shows as an input that has not come, and in rule 1 as a commit without a block.
 */
function allInputs(rounds: number, numbering: Numbering): GuardedInput[] {
  const { factOf, marks, anyPrevote, anyPrecommit } = numbering;
  const polkas = (round: number, blockId: BlockId): Facts[] =>
    claimsOf(round, blockId).map((validRound) => factOf('prevote', round, blockId, validRound));
  const ofRound = (round: number): GuardedInput[] => [
    { input: { kind: 'nil-polka', round }, needs: [factOf('prevote', round, null, NO_ROUND)] },
    { input: { kind: 'prevote-any', round }, needs: [anyPrevote[round]!] },
    { input: { kind: 'precommit-any', round }, needs: [anyPrecommit[round]!] },
    ...(round === 0 ? [] : [{ input: { kind: 'skip', round } as const, needs: [marks[round]!] }]),
    ...(['propose', 'prevote', 'precommit'] as const).map(
      (timeout): GuardedInput => ({ input: { kind: 'timeout', timeout, round }, needs: [NOTHING] }),
    ),
    ...BLOCKS.flatMap((blockId) => ofBlock(round, blockId)),
  ];
  const ofBlock = (round: number, blockId: BlockId): GuardedInput[] => {
    const isValid = isValidBlock(blockId);
    const commit = [factOf('precommit', round, blockId, NO_ROUND)];
    const fresh = [factOf('proposal', round, blockId, NO_ROUND)];
    return [
      { input: { kind: 'commit', round, blockId, isValid: false }, needs: commit },
      { input: { kind: 'fresh-proposal', round, blockId, isValid }, needs: fresh },
      ...(isValid ? below(round) : []).map(
        (validRound): GuardedInput => ({
          input: { kind: 're-proposal', round, blockId, validRound, isValid },
          needs: polkas(validRound, blockId).map((polka) =>
            union(polka, factOf('proposal', round, blockId, validRound)),
          ),
        }),
      ),
      ...(isValid ? ofValidBlock(round, blockId, commit) : []),
    ];
  };
  const ofValidBlock = (round: number, blockId: BlockId, commit: Facts[]): GuardedInput[] => [
    { input: { kind: 'value', round, blockId }, needs: [NOTHING] },
    { input: { kind: 'commit', round, blockId, isValid: true }, needs: commit },
    { input: { kind: 'earlier-polka', round, blockId }, needs: polkas(round, blockId) },
    ...validRoundsBelow(round).map(
      (validRound): GuardedInput => ({
        input: { kind: 'polka', round, blockId, validRound },
        needs: [
          union(
            factOf('proposal', round, blockId, validRound),
            factOf('prevote', round, blockId, validRound),
          ),
        ],
      }),
    ),
  ];
  return [
    { input: { kind: 'start', round: 0 }, needs: [NOTHING] },
    ...below(rounds).flatMap((round) => ofRound(round)),
  ];
}
