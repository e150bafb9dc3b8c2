// From what the driver made of an input to the engine's next state and the effects, in the one order that is safe: the input is
// appended; then what needs no durability; then, behind `persist`, whatever speaks. What each output asks for is in `effects.ts`.

import { unreachable } from '../base/assert.ts';
import { type DriverState, type DriverTransition, verdictOn } from './driver.ts';
import { accuse, effectsOf, type Spoken, unsigned, validate } from './effects.ts';
import { type EngineConfig, type EngineState, type Transition, unchanged } from './engine-state.ts';
import type { RoundOutput } from './round.ts';
import type { BlockId, Effect, Input, UnsignedMessage } from './types.ts';

const NO_EFFECTS: readonly Effect[] = [];
const NO_BLOCKS: readonly BlockId[] = [];

/** What follows from an input that says nothing by itself. */
export function advance(
  config: EngineConfig,
  state: EngineState,
  input: Input,
  transition: DriverTransition,
): Transition {
  if (isMerelyCounted(state.driver, transition)) {
    return { state: { ...state, driver: transition.state }, effects: [{ kind: 'append', input }] };
  }
  return follow(config, state, { input, transition, said: NO_EFFECTS, handedOut: state.pending[0] });
}

/** Most votes add to a tally, and nothing follows. Blocks are asked for when a proposal or polka names them first. */
function isMerelyCounted(
  before: DriverState | undefined,
  { state, outputs, evidence }: DriverTransition,
): boolean {
  return (
    before !== undefined &&
    state !== before &&
    outputs.length === 0 &&
    evidence.length === 0 &&
    state.proposals === before.proposals &&
    state.votes.polkas === before.votes.polkas
  );
}

/** What the driver made of an input. */
interface Move {
  readonly input: Input;
  readonly transition: DriverTransition;
  /** What leaves because of the input itself. */
  readonly said: readonly Effect[];
  /** What is with the signer: asked for once. */
  readonly handedOut: UnsignedMessage | undefined;
}

/**
 * The engine's state after the driver has moved, and the effects of it: append, what is said already, what needs no
 * durability, and behind `persist` whatever speaks.
 */
export function follow(config: EngineConfig, before: EngineState, move: Move): Transition {
  const { input, transition, said } = move;
  const driver = transition.state;
  if (driver === before.driver && said.length === 0 && input.kind !== 'start-height')
    return unchanged(before);
  let state: EngineState = { ...before, driver };
  const quiet: Effect[] = [{ kind: 'append', input }, ...said];
  for (const evidence of transition.evidence) quiet.push(accuse(evidence));
  const speaking: Effect[] = [];
  for (const output of transition.outputs) {
    if (hasEnded(driver) && isSpoken(output)) continue;
    for (const effect of effectsOf(config, driver, output)) {
      (isSpeaking(effect) ? speaking : quiet).push(effect);
    }
    state = after(state, driver, output);
  }
  const next = state.pending[0];
  if (next !== undefined && next !== move.handedOut && !hasEnded(driver))
    speaking.push({ kind: 'sign', message: next });
  const proposed = unasked(state, driver);
  for (const blockId of proposed) quiet.push(validate(driver, blockId));
  if (proposed.length > 0) state = { ...state, asked: [...state.asked, ...proposed] };
  const effects = speaking.length === 0 ? quiet : [...quiet, { kind: 'persist' } as const, ...speaking];
  return { state, effects };
}

const isSpeaking = (effect: Effect): boolean => effect.kind === 'sign' || effect.kind === 'broadcast';

/** A quorum has decided, so voting stops (rule 1), even with what the very same input would have had this validator say before. */
const hasEnded = (driver: DriverState): boolean =>
  driver.round.step === 'awaiting' || driver.round.step === 'decided';

const isSpoken = (output: RoundOutput): output is Spoken =>
  output.kind === 'propose' || output.kind === 'prevote' || output.kind === 'precommit';

/** What the engine itself remembers of an output. */
function after(state: EngineState, driver: DriverState, output: RoundOutput): EngineState {
  switch (output.kind) {
    case 'propose':
    case 'prevote':
    case 'precommit': {
      const message = unsigned(driver, output);
      return message === undefined ? state : { ...state, pending: [...state.pending, message] };
    }
    case 'await-block':
      return state.asked.includes(output.blockId)
        ? state
        : { ...state, asked: [...state.asked, output.blockId] };
    case 'enter-round':
    case 'request-value':
    case 'lock':
    case 'schedule':
    case 'decide':
      return state;
    default:
      return unreachable(output);
  }
}

/** Blocks of proposals and certified polkas that nobody has judged or been asked to, while that matters. */
function unasked(state: EngineState, driver: DriverState): readonly BlockId[] {
  if (hasEnded(driver)) return [];
  let blocks: BlockId[] | undefined;
  for (const named of [driver.proposals, driver.votes.polkas]) {
    for (const { blockId } of named) {
      if (state.asked.includes(blockId) || verdictOn(driver, blockId) !== undefined) continue;
      if (blocks?.includes(blockId) !== true) (blocks ??= []).push(blockId);
    }
  }
  return blocks ?? NO_BLOCKS;
}
