// Messages that are of no use to the agreement under way: of a height that is over, be it the one just decided, or of the next. They are
// still good for three things: evidence, telling who needs a decision (L7), and a head start.
//
// Nothing here is appended to the log: a crash forgets it, and nothing that this validator says rests on it.

import { EARLY_MESSAGES_PER_VALIDATOR } from '../base/limits.ts';
import { votesOf } from './certificate.ts';
import type { DriverState } from './driver.ts';
import { accuse, sendDecision } from './effects.ts';
import { type EngineState, type Transition, unchanged } from './engine-state.ts';
import { attackOf } from './evidence.ts';
import { isSameMessage, isSingle, isVote } from './message-kinds.ts';
import { commitCertificateOf } from './obligations.ts';
import type { CommitCertificate, Message } from './types.ts';
import { addVote, knowsVote } from './vote-keeper.ts';

/**
 * A height that is over. Who repeats a vote there, or votes in one still older, has missed the decision (L7). Proposals and certificates
 * are passed on by others than their signers (L1, L3), so they ask for nothing.
 */
export function receiveLate(state: EngineState, message: Message): Transition {
  if (!isVote(message)) return unchanged(state);
  const { previous } = state;
  if (previous?.height === message.height) {
    if (message.validator === previous.self) return unchanged(state);
    const { keeper, evidence } = addVote(previous.votes, message);
    if (keeper !== previous.votes) {
      return { state: { ...state, previous: { ...previous, votes: keeper } }, effects: evidence.map(accuse) };
    }
  }
  return { state, effects: [sendDecision(message)] };
}

/** After the decision votes are only collected; who repeats one asks for help (L7). */
export function receiveDecided(state: EngineState, driver: DriverState, message: Message): Transition {
  if (message.kind === 'commit-certificate') return receiveDecision(state, driver, message);
  if (!isVote(message)) return unchanged(state);
  if (knowsVote(driver.votes, message)) return { state, effects: [sendDecision(message)] };
  const { keeper, evidence } = addVote(driver.votes, message);
  if (keeper === driver.votes) return unchanged(state);
  return {
    state: { ...state, driver: { ...driver, votes: keeper } },
    effects: evidence.map(accuse),
  };
}

/** Precommits alone do not convict across rounds (E4), so those of the certificate are held against all other votes (E1, E3). */
function receiveDecision(
  state: EngineState,
  driver: DriverState,
  certificate: CommitCertificate,
): Transition {
  const attack = attackOf(certificate, commitCertificateOf(driver, driver.round.committedBlock!)!);
  if (attack === undefined) return unchanged(state);
  let { votes } = driver;
  const effects = [accuse(attack)];
  for (const vote of votesOf(certificate)) {
    const { keeper, evidence } = addVote(votes, vote);
    votes = keeper;
    effects.push(...evidence.map(accuse));
  }
  return { state: { ...state, driver: { ...driver, votes } }, effects };
}

/** Kept until the height begins: of the next height only, each once, a few of each validator. */
export function receiveEarly(state: EngineState, height: number, message: Message): Transition {
  if (message.height !== height + 1) return unchanged(state);
  if (!isRoomFor(state.early, message)) return unchanged(state);
  return { state: { ...state, early: [...state.early, message] }, effects: [] };
}

function isRoomFor(early: readonly Message[], message: Message): boolean {
  if (!isSingle(message)) return early.every((other) => other.kind !== message.kind);
  const ofSigner = early.filter(isSingle).filter((other) => other.validator === message.validator);
  const isKnown = ofSigner.some((other) => isSameMessage(other, message));
  return !isKnown && ofSigner.length < EARLY_MESSAGES_PER_VALIDATOR;
}
