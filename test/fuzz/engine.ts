// Any bytes as a life of the engine: four of them are one input, and what it asks to be signed is signed at once. It must not
// throw, must append before it speaks, and must never sign two messages that convict it.

import { assert } from '../../src/base/assert.ts';
import { step } from '../../src/consensus/engine.ts';
import { INITIAL, type EngineState } from '../../src/consensus/engine-state.ts';
import { conflictOf } from '../../src/consensus/evidence.ts';
import {
  DEFAULT_TIMEOUTS,
  type Effect,
  type Input,
  NO_ROUND,
  type Proposal,
  type TimeoutKind,
  type Vote,
} from '../../src/consensus/types.ts';
import * as agreement from '../helpers/agreement.ts';

const { A, B, C, HEIGHT } = agreement;
const BLOCKS = [A, B, C, null] as const;
const TIMEOUTS: readonly TimeoutKind[] = ['propose', 'prevote', 'precommit', 'rebroadcast'];
const QUORUMS = [
  [1, 2, 3],
  [0, 1, 2],
  [0, 2, 3],
  [0, 1, 3],
] as const;

/** The input that four bytes stand for: what, by whom, in which round, for which block on which earlier round. */
function inputOf(what: number, who: number, where: number, which: number): Input {
  const height = where > 250 ? HEIGHT + 1 : HEIGHT;
  const round = where % 5;
  const value = BLOCKS[which % 4]!;
  const block = value ?? A;
  const validRound = round === 0 ? NO_ROUND : ((which >> 2) % (round + 1)) - 1;
  const validator = who % 4;
  const signers = QUORUMS[who % 4]!;
  const prevote = agreement.prevote(validator, round, value, {
    height,
    validRound: value === null ? NO_ROUND : validRound,
  });
  const message = (one: Extract<Input, { kind: 'message' }>['message']): Input => ({
    kind: 'message',
    message: one,
  });
  switch (what % 10) {
    case 0:
      return message(agreement.proposal(round % 4, round, block, { height, validRound }));
    case 1:
    case 2:
      return message(prevote);
    case 3:
    case 4:
      return message(agreement.precommit(validator, round, value, { height }));
    case 5:
      return { kind: 'timeout', timeout: TIMEOUTS[who % 4]!, height, round };
    case 6:
      return { kind: 'verdict', height, blockId: block, isValid: block !== C };
    case 7:
      return { kind: 'value', height, round, blockId: block };
    case 8:
      return message(agreement.polka(round, block, signers, { height, validRound }));
    default:
      return message(agreement.commit(round, block, signers, { height }));
  }
}

export function liveThrough(bytes: Uint8Array): void {
  let state: EngineState = INITIAL;
  const said: (Proposal | Vote)[] = [];
  const feed = (input: Input): void => {
    const transition = step({ timeouts: DEFAULT_TIMEOUTS }, state, input);
    state = transition.state;
    checkOrder(transition.effects);
    for (const effect of transition.effects) if (effect.kind === 'sign') sign(effect);
  };
  const sign = ({ message }: Extract<Effect, { kind: 'sign' }>): void => {
    const own = agreement.signed(message);
    for (const other of said) assert(conflictOf(other, own) === undefined, 'no validator convicts itself');
    said.push(own);
    feed({ kind: 'signed', message: own });
  };
  feed({ kind: 'start-height', start: agreement.heightStart() });
  for (let at = 0; at + 4 <= bytes.length && at < 4 * 256; at += 4) {
    feed(inputOf(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!));
  }
}

function checkOrder(effects: readonly Effect[]): void {
  const persisted = effects.findIndex(({ kind }) => kind === 'persist');
  const signed = effects.findIndex(({ kind }) => kind === 'sign');
  const appended = effects.findIndex(({ kind }) => kind === 'append');
  assert(signed === -1 || (persisted !== -1 && persisted < signed), 'persisted before signed');
  assert(persisted === -1 || (appended !== -1 && appended < persisted), 'appended before persisted');
}
