// The engine: heights one after another, each agreed on by the driver, and what the outside must do about it. One pure
// function, `step(config, state, input) -> { state, effects }`; the code that a node runs is the code that the model checker and the
// simulator run.
//
// Order of effects, and why. Whatever changes how this validator votes is appended to the write-ahead log first (messages of the
// next height, and votes that come when all is decided, are only kept: a crash forgets them); before anything new is signed or
// passed on, the log is made durable (`persist`); a vote is signed under the guard, comes back as input `signed`, is counted like
// anybody's, and only then leaves; the next one is handed out after that, so that the log knows of every signature but the last.
// So a validator that crashes between any two effects replays its log into the state from which it last spoke, and asks to sign the
// very same bytes again.
//
// Here is who is told what: which input goes where. What follows from it is put together in `follow.ts`, what other heights' messages are
// good for in `other-heights.ts`, what is owed to the others beyond the rules (L1-L7) in `obligations.ts`.

import { unreachable } from '../base/assert.ts';
import {
  type DriverState,
  type DriverTransition,
  driveCommit,
  drivePolka,
  driveProposal,
  driverOf,
  driveStart,
  driveTimeout,
  driveValue,
  driveVerdict,
  driveVote,
  isProposer,
  verdictOn,
} from './driver.ts';
import { decision, halt, isRefuted, schedule, validate } from './effects.ts';
import { votesOf } from './certificate.ts';
import { type EngineConfig, type EngineState, INITIAL, type Transition, unchanged } from './engine-state.ts';
import { advance, follow } from './follow.ts';
import { isSameMessage, isSingle } from './message-kinds.ts';
import { repeated } from './obligations.ts';
import { receiveDecided, receiveEarly, receiveLate } from './other-heights.ts';
import type { Certificate, Effect, Input, Message, Proposal, RoundCertificate, Vote } from './types.ts';
import { knowsVote } from './vote-keeper.ts';

const NO_EFFECTS: readonly Effect[] = [];

/** One input. What it does not change (known, stale, of another height) leaves the very same state object. */
export function step(config: EngineConfig, state: EngineState, input: Input): Transition {
  if (input.kind === 'start-height') return startHeight(config, state, input);
  const { driver } = state;
  if (driver === undefined) return unchanged(state);
  switch (input.kind) {
    case 'message':
      return receive(config, state, driver, input.message);
    case 'signed':
      return signed(config, state, driver, input);
    case 'value':
      if (input.height !== driver.start.height) return unchanged(state);
      return advance(config, state, input, driveValue(driver, input.round, input.blockId));
    case 'verdict':
      return judged(config, state, driver, input);
    case 'timeout':
      return timedOut(config, state, driver, input);
    default:
      return unreachable(input);
  }
}

/**
 * What is under way in `state`, as effects: after a replay, whose own effects were not performed, these and no others are to
 * be performed.
 */
export function resume(config: EngineConfig, state: EngineState): readonly Effect[] {
  const { driver } = state;
  if (driver === undefined) return NO_EFFECTS;
  const { height, self } = driver.start;
  const { round, step: at, committedBlock } = driver.round;
  if (at === 'decided') return [decision(driver, committedBlock!)];
  if (isRefuted(driver)) return [halt(driver)];
  const effects: Effect[] = state.asked
    .filter((blockId) => verdictOn(driver, blockId) === undefined)
    .map((blockId) => validate(driver, blockId));
  if (at === 'propose') {
    if (isValueDue(driver)) effects.push({ kind: 'request-value', height, round });
    effects.push(schedule(config, driver, 'propose'));
  }
  if (at === 'prevote' && driver.round.isPrevoteTimed) effects.push(schedule(config, driver, 'prevote'));
  if (at !== 'awaiting' && driver.round.isPrecommitTimed) effects.push(schedule(config, driver, 'precommit'));
  if (self !== undefined) effects.push(schedule(config, driver, 'rebroadcast'));
  const message = state.pending[0];
  if (at !== 'awaiting' && message !== undefined) effects.push({ kind: 'sign', message });
  return effects;
}

// ---- Heights ----------------------------------------------------------------------------------------------------

function startHeight(
  config: EngineConfig,
  state: EngineState,
  input: Extract<Input, { kind: 'start-height' }>,
): Transition {
  const { start } = input;
  const before = state.driver;
  if (before !== undefined && start.height <= before.start.height) return unchanged(state);
  const driver = driverOf(start);
  const fresh: EngineState = {
    ...INITIAL,
    driver,
    previous: before && { height: before.start.height, self: before.start.self, votes: before.votes },
  };
  let current = advance(config, fresh, input, driveStart(driver));
  for (const message of state.early) {
    if (message.height !== start.height) continue;
    const { state: next, effects } = step(config, current.state, { kind: 'message', message });
    current = { state: next, effects: [...current.effects, ...effects] };
  }
  return current;
}

// ---- Messages ---------------------------------------------------------------------------------------------------

function receive(
  config: EngineConfig,
  state: EngineState,
  driver: DriverState,
  message: Message,
): Transition {
  const { height, self } = driver.start;
  if (message.height < height) return receiveLate(state, message);
  if (message.height > height) return receiveEarly(state, height, message);
  if (isSingle(message) && message.validator === self) return receiveOwn(config, state, driver, message);
  const foreign = isSingle(message) ? undefined : foreignIn(state, driver, message);
  if (driver.round.step === 'decided') {
    const after = receiveDecided(state, driver, message);
    return foreign === undefined ? after : { state: after.state, effects: [foreign, ...after.effects] };
  }
  const input: Input = { kind: 'message', message };
  const transition = driveMessage(driver, message);
  if (foreign === undefined) return advance(config, state, input, transition);
  if (transition.state === driver) return { state, effects: [foreign] };
  return follow(config, state, { input, transition, said: [foreign], handedOut: state.pending[0] });
}

function driveMessage(driver: DriverState, message: Message): DriverTransition {
  switch (message.kind) {
    case 'proposal':
      return driveProposal(driver, message);
    case 'prevote':
    case 'precommit':
      return driveVote(driver, message);
    case 'polka-certificate':
      return drivePolka(driver, message);
    case 'commit-certificate':
      return driveCommit(driver, message);
    case 'round-certificate':
      return driveVotes(driver, message);
    default:
      return unreachable(message);
  }
}

/** The votes of a round certificate count singly: they need to agree on nothing, so no equivocator can spoil it (L5). */
function driveVotes(driver: DriverState, certificate: RoundCertificate): DriverTransition {
  let current: DriverTransition = { state: driver, outputs: [], evidence: [] };
  for (const vote of certificate.votes) {
    if (vote.validator === driver.start.self) continue;
    const { state, outputs, evidence } = driveVote(current.state, vote);
    current = {
      state,
      outputs: [...current.outputs, ...outputs],
      evidence: [...current.evidence, ...evidence],
    };
  }
  return current;
}

/**
 * A message of this validator's own key from the network. Its own come back in others' hands; one that it asked to have signed
 * and does not know as signed was signed before a crash; any other was signed by somebody else.
 */
function receiveOwn(
  config: EngineConfig,
  state: EngineState,
  driver: DriverState,
  message: Proposal | Vote,
): Transition {
  if (state.pending.some((asked) => isSameMessage(asked, message))) {
    return signed(config, state, driver, { kind: 'signed', message });
  }
  const isKnown =
    message.kind === 'proposal'
      ? driver.proposals.some((other) => isSameMessage(other, message))
      : knowsVote(driver.votes, message);
  return isKnown ? unchanged(state) : { state, effects: [{ kind: 'foreign-signature', message }] };
}

/** Inside a certificate, a vote of this validator's own key that it neither knows nor has asked for. */
function foreignIn(state: EngineState, driver: DriverState, certificate: Certificate): Effect | undefined {
  const { self } = driver.start;
  if (self === undefined) return undefined;
  const vote = votesOf(certificate).find(({ validator }) => validator === self);
  if (vote === undefined || knowsVote(driver.votes, vote)) return undefined;
  if (state.pending.some((asked) => isSameMessage(asked, vote))) return undefined;
  return { kind: 'foreign-signature', message: vote };
}

/** What was asked to be signed is back: from here on it counts, and it leaves. */
function signed(
  config: EngineConfig,
  state: EngineState,
  driver: DriverState,
  input: Extract<Input, { kind: 'signed' }>,
): Transition {
  const { message } = input;
  if (!state.pending.some((asked) => isSameMessage(asked, message))) return unchanged(state);
  const handedOut = isSameMessage(state.pending[0]!, message) ? undefined : state.pending[0];
  const pending = state.pending.filter((asked) => !isSameMessage(asked, message));
  const own = { ...state.own, [message.kind]: message };
  const said: readonly Effect[] = [{ kind: 'broadcast', message }];
  const move = { input, transition: driveMessage(driver, message), said, handedOut };
  return follow(config, { ...state, pending, own }, move);
}

/** A block may be judged after a quorum has committed it. */
function judged(
  config: EngineConfig,
  state: EngineState,
  driver: DriverState,
  input: Extract<Input, { kind: 'verdict' }>,
): Transition {
  if (input.height !== driver.start.height) return unchanged(state);
  const after = advance(config, state, input, driveVerdict(driver, input));
  const isNew = isRefuted(after.state.driver!) && !isRefuted(driver);
  return isNew ? { state: after.state, effects: [...after.effects, halt(after.state.driver!)] } : after;
}

// ---- Time -------------------------------------------------------------------------------------------------------

function timedOut(
  config: EngineConfig,
  state: EngineState,
  driver: DriverState,
  input: Extract<Input, { kind: 'timeout' }>,
): Transition {
  const { height, round, timeout } = input;
  if (height !== driver.start.height || round !== driver.round.round) return unchanged(state);
  if (timeout !== 'rebroadcast') return advance(config, state, input, driveTimeout(driver, timeout, round));
  if (driver.round.step === 'decided' || driver.start.self === undefined) return unchanged(state);
  return { state, effects: repeat(config, state, driver) };
}

/** L4: in a round that lasts, say again what was said, and ask again for what is missing. */
function repeat(config: EngineConfig, state: EngineState, driver: DriverState): readonly Effect[] {
  const messages = repeated(driver, state.own);
  const missing = state.asked.filter((blockId) => verdictOn(driver, blockId) === undefined);
  return [
    ...messages.map((message): Effect => ({ kind: 'broadcast', message })),
    ...missing.map((blockId) => validate(driver, blockId)),
    schedule(config, driver, 'rebroadcast'),
  ];
}

function isValueDue(driver: DriverState): boolean {
  const { round, hasProposed } = driver.round;
  return !hasProposed && isProposer(driver, round);
}
