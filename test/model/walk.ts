// Random lives of one validator for `refine.ts`: any message at any time, drawn so that quorums come about; and every life of one round, with
// votes for one block and nil.

import {
  type BlockId,
  type CertificateSignature,
  NO_ROUND,
  type Proposal,
  type Vote,
  type VoteValue,
} from '../../src/consensus/types.ts';
import type { Engine } from './engine.ts';
import { hash } from './key-set.ts';
import { type Random, randomOf } from './random.ts';
import { type Event, Refinement, type Setting } from './refine.ts';
import { A, B, INVALID, isValidBlock, nameOf } from './vocabulary.ts';

export interface RefinementResult {
  readonly runs: number;
  readonly states: number;
  readonly inputs: number;
  readonly isExhaustive: boolean;
  readonly digest: string;
  readonly violations: readonly string[];
}

const STAKES = [
  [1, 1, 1, 1],
  [3, 2, 2, 2],
  [5, 1, 1, 1],
  [2, 1, 1],
];
const EVENTS_MAX = 120;
const VIOLATIONS_MAX = 5;
const EVENTS_TOLD_MAX = 120;
const SIGNATURE = new Uint8Array(64) as Vote['signature'];

export function walkRefinement(engine: Engine, options: { runs: number; seed: number }): RefinementResult {
  const violations: string[] = [];
  let [inputs, digest, runs] = [0, 0, 0];
  for (; runs < options.runs && violations.length < VIOLATIONS_MAX; runs++) {
    const random = randomOf(options.seed + runs);
    const powers = random.pick(STAKES);
    const slots = random.shuffled([...powers.keys()]);
    const setting = { powers, slots, self: random.below(powers.length) };
    const life = new Refinement(engine, setting);
    const events = live(life, setting, random);
    inputs += events.length;
    digest = hash(digest ^ life.said.length, events.length);
    if (life.problem !== undefined) violations.push(story(life.problem, options.seed + runs, events));
  }
  return { runs, states: 0, inputs, isExhaustive: false, digest: hex(digest), violations };
}

function live(life: Refinement, setting: Setting, random: Random): Event[] {
  const events: Event[] = [];
  const take = (event: Event): void => {
    events.push(event);
    try {
      life.take(event);
    } catch (error) {
      life.problem = `throws: ${error instanceof Error ? error.message : String(error)}`;
    }
  };
  const startsAt = random.chance(0.8) ? 0 : random.below(10);
  for (let at = 0; at < EVENTS_MAX && !life.isOver; at++) {
    if (at === startsAt) take({ kind: 'start' });
    else take(randomEvent(life, setting, random));
  }
  return events;
}

function randomEvent(life: Refinement, setting: Setting, random: Random): Event {
  // Values that go round by round, so that a quorum for one of them is likely; the others come from time to time.
  const round = Math.max(0, life.round + random.pick([0, 0, 0, 0, 0, -1, -1, -2, 1, 2, 4]));
  const blockId = random.pick([A, A, A, B, B, INVALID]);
  const validRound = random.chance(0.6) ? NO_ROUND : random.below(round + 1) - 1;
  switch (random.below(16)) {
    case 0:
    case 1:
      return randomTimeout(life, random);
    case 2:
    case 3:
      return { kind: 'verdict', blockId, isValid: isValidBlock(blockId) };
    case 4:
    case 5: {
      const validator = setting.slots[round % setting.slots.length]!;
      if (validator === setting.self) return randomValue(life, random);
      const proposal: Proposal = {
        kind: 'proposal',
        height: 1,
        round,
        blockId,
        validRound,
        validator,
        signature: SIGNATURE,
      };
      return { kind: 'proposal', proposal };
    }
    case 6:
      return randomCertificate(life, setting, random, round, blockId, validRound);
    default:
      return { kind: 'vote', vote: randomVote(life, setting, random, round, blockId, validRound) };
  }
}

function randomTimeout(life: Refinement, random: Random): Event {
  const timer = random.pick(life.timers);
  if (timer === undefined) return { kind: 'timeout', timeout: 'propose', round: 0 };
  return { kind: 'timeout', timeout: timer.timeout, round: timer.round };
}

function randomValue(life: Refinement, random: Random): Event {
  if (life.requests.length === 0) return randomTimeout(life, random);
  const round = random.pick(life.requests);
  return { kind: 'value', round, blockId: random.pick([A, B]) };
}

/** Half of the votes repeat what somebody has said, for others. */
function randomVote(
  life: Refinement,
  setting: Setting,
  random: Random,
  round: number,
  blockId: BlockId,
  validRound: number,
): Vote {
  const others = [...setting.powers.keys()].filter((validator) => validator !== setting.self);
  const validator = random.pick(others);
  const { votes, proposals } = life.ledger;
  const echoed = random.chance(0.5) ? random.pick(votes.slice(-8)) : undefined;
  if (echoed !== undefined) return { ...echoed, validator };
  const answered = random.chance(0.5) ? random.pick(proposals.slice(-2)) : undefined;
  const kind = random.pick(['prevote', 'prevote', 'precommit'] as const);
  const value: VoteValue = random.chance(0.25) ? null : (answered?.blockId ?? blockId);
  const at = answered?.round ?? round;
  const claim = kind === 'prevote' && value !== null ? (answered?.validRound ?? validRound) : NO_ROUND;
  return { kind, height: 1, round: at, blockId: value, validRound: claim, validator, signature: SIGNATURE };
}

/** A certificate that others could have made: with less than a third of honest power in it, they may know more than was told here. */
function randomCertificate(
  life: Refinement,
  setting: Setting,
  random: Random,
  round: number,
  blockId: BlockId,
  validRound: number,
): Event {
  const signatures: CertificateSignature[] = [...setting.powers.keys()]
    .filter((validator) => validator !== setting.self)
    .map((validator) => ({ validator, signature: SIGNATURE }));
  const signed = { height: 1, round, blockId, signatures };
  if (random.chance(0.15)) return { kind: 'commit', certificate: { kind: 'commit-certificate', ...signed } };
  const proposal = random.pick(life.ledger.proposals);
  const named = random.chance(0.5) ? proposal : undefined;
  const { blockId: of, validRound: claim, round: at } = named ?? { blockId, validRound, round };
  return {
    kind: 'polka',
    certificate: { kind: 'polka-certificate', ...signed, blockId: of, validRound: claim, round: at },
  };
}

/** Every order of every choice of one round's events. States are taken as one by what was told and said, and where the round machine stands. */
export function exhaustRefinement(engine: Engine, setting: Setting): RefinementResult {
  const seen = new Set<string>();
  const violations: string[] = [];
  const work: { life: Refinement; events: Event[] }[] = [
    { life: new Refinement(engine, setting), events: [] },
  ];
  let [inputs, digest] = [0, 0];
  while (work.length > 0 && violations.length === 0) {
    const { life, events } = work.pop()!;
    for (const event of choices(life, setting)) {
      const next = life.fork();
      next.take(event);
      inputs++;
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      digest = (digest + hash(key.length, next.said.length)) | 0;
      if (next.problem !== undefined) violations.push(story(next.problem, undefined, [...events, event]));
      else if (!next.isOver) work.push({ life: next, events: [...events, event] });
    }
  }
  return { runs: 0, states: seen.size, inputs, isExhaustive: true, digest: hex(digest), violations };
}

/** What was told and said, in an order of its own, and where the engine stands: its state under one name for all orders. */
function keyOf({ state, ledger, said, timers }: Refinement): string {
  const votes = ledger.votes.map((vote) => `${vote.kind} ${vote.blockId} ${vote.validator}`).sort();
  const proposals = ledger.proposals.map((proposal) => proposal.blockId);
  const spoken = said.map((message) => `${message.kind} ${message.blockId}`);
  const timed = timers.map((timer) => timer.timeout);
  return [
    votes,
    proposals,
    [...ledger.verdicts.keys()].sort(),
    spoken,
    timed,
    Object.values(state.round),
  ].join(';');
}

function choices(life: Refinement, { powers, self, slots }: Setting): Event[] {
  const others = [...powers.keys()].filter((validator) => validator !== self);
  const votes = others.flatMap((validator) =>
    (['prevote', 'precommit'] as const).flatMap((kind) => {
      if (life.ledger.votes.some((vote) => vote.validator === validator && vote.kind === kind)) return [];
      return [A, null].map((blockId): Event => {
        const vote: Vote = {
          kind,
          height: 1,
          round: 0,
          blockId,
          validRound: NO_ROUND,
          validator,
          signature: SIGNATURE,
        };
        return { kind: 'vote', vote };
      });
    }),
  );
  const proposer = slots[0]!;
  const proposals = [A, INVALID].flatMap((blockId): Event[] => {
    if (proposer === self || life.ledger.proposals.some((one) => one.blockId === blockId)) return [];
    return [
      {
        kind: 'proposal',
        proposal: {
          kind: 'proposal',
          height: 1,
          round: 0,
          blockId,
          validRound: NO_ROUND,
          validator: proposer,
          signature: SIGNATURE,
        },
      },
    ];
  });
  const verdicts = [A, INVALID]
    .filter((blockId) => !life.ledger.verdicts.has(blockId))
    .map((blockId): Event => ({ kind: 'verdict', blockId, isValid: isValidBlock(blockId) }));
  const timeouts = life.timers
    .filter((timer) => timer.timeout !== 'precommit')
    .map((timer): Event => ({ kind: 'timeout', timeout: timer.timeout, round: timer.round }));
  const values = life.requests.map((round): Event => ({ kind: 'value', round, blockId: A }));
  const starts: Event[] = life.timers.length === 0 ? [{ kind: 'start' }] : [];
  return [...starts, ...votes, ...proposals, ...verdicts, ...timeouts, ...values];
}

function story(problem: string, seed: number | undefined, events: readonly Event[]): string {
  const told = events.map(
    (event) =>
      `    ${JSON.stringify(event, (name, value) => (name.startsWith('signature') ? undefined : short(value)))}`,
  );
  const again = seed === undefined ? '' : ` (repeat: --only refine --seed ${seed} --runs 1)`;
  return [`refinement: ${problem}${again}`, ...told.slice(-EVENTS_TOLD_MAX)].join('\n');
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

const short = (value: unknown): unknown =>
  typeof value === 'string' && value.length === 64 ? nameOf(value as BlockId) : value;
