// The engine's effects, one by one: what an output of the round machine asks of the outside. Their order is the engine's
// business.

import { unreachable } from '../base/assert.ts';
import { type DriverState, verdictOn } from './driver.ts';
import type { EngineConfig } from './engine-state.ts';
import { commitCertificateOf, entering, phaseMs, polkaCertificateOf, reoffered } from './obligations.ts';
import type { RoundOutput } from './round.ts';
import type {
  BlockId,
  Effect,
  Evidence,
  PolkaCertificate,
  TimeoutKind,
  UnsignedMessage,
  Vote,
} from './types.ts';
import { NO_ROUND } from './types.ts';

const NO_EFFECTS: readonly Effect[] = [];

/**
 * What an output of the round machine means to the outside, but for the signature that it may ask for. A follower, who has no voice,
 * sends nothing.
 */
export function effectsOf(config: EngineConfig, driver: DriverState, output: RoundOutput): readonly Effect[] {
  const { height, self } = driver.start;
  const hasVoice = self !== undefined;
  switch (output.kind) {
    case 'enter-round': {
      const effects: Effect[] = [{ kind: 'cancel-timeouts' }];
      if (!hasVoice) return effects;
      effects.push(schedule(config, driver, 'rebroadcast', output.round));
      for (const message of entering(driver, output.round)) effects.push({ kind: 'broadcast', message });
      return effects;
    }
    case 'request-value':
      return [{ kind: 'request-value', height, round: output.round }];
    case 'propose': {
      const certificate = polkaCertificateOf(driver, output.validRound, output.blockId);
      return certificate === undefined ? NO_EFFECTS : [{ kind: 'broadcast', message: certificate }];
    }
    case 'prevote':
    case 'precommit':
      return NO_EFFECTS;
    case 'lock':
      if (!hasVoice || output.round === 0) return NO_EFFECTS;
      return reoffered(driver, output).map((message) => ({ kind: 'broadcast', message }));
    case 'schedule':
      return [schedule(config, driver, output.timeout, output.round)];
    case 'await-block': {
      if (isRefuted(driver)) return [{ kind: 'cancel-timeouts' }, halt(driver)];
      const effects: Effect[] = [{ kind: 'cancel-timeouts' }];
      if (hasVoice) effects.push(schedule(config, driver, 'rebroadcast'));
      effects.push(validate(driver, output.blockId));
      return effects;
    }
    case 'decide':
      return [{ kind: 'cancel-timeouts' }, decision(driver, output.blockId)];
    default:
      return unreachable(output);
  }
}

export type Spoken = Extract<RoundOutput, { kind: 'propose' | 'prevote' | 'precommit' }>;

/** What is to be signed, or undefined for a follower. */
export function unsigned(driver: DriverState, output: Spoken): UnsignedMessage | undefined {
  const { height, self } = driver.start;
  if (self === undefined) return undefined;
  const { round, blockId } = output;
  if (output.kind === 'propose') {
    return {
      kind: 'proposal',
      height,
      round,
      blockId: output.blockId,
      validRound: output.validRound,
      validator: self,
    };
  }
  const validRound = output.kind === 'prevote' ? output.validRound : NO_ROUND;
  return { kind: output.kind, height, round, blockId, validRound, validator: self };
}

/** Who proposed the block may have it, and so may who voted for it. */
export function validate(driver: DriverState, blockId: BlockId): Effect {
  const holders = new Set<number>();
  for (const proposal of driver.proposals) if (proposal.blockId === blockId) holders.add(proposal.validator);
  const certificates = [commitCertificateOf(driver, blockId), ...polkasFor(driver, blockId)];
  for (const { validator } of certificates.flatMap((certificate) => certificate?.signatures ?? [])) {
    holders.add(validator);
  }
  if (driver.start.self !== undefined) holders.delete(driver.start.self);
  return { kind: 'validate', height: driver.start.height, blockId, holders: [...holders] };
}

const polkasFor = (driver: DriverState, blockId: BlockId): readonly PolkaCertificate[] =>
  driver.votes.polkas.filter((polka) => polka.blockId === blockId);

export function decision(driver: DriverState, blockId: BlockId): Effect {
  const { height } = driver.start;
  return { kind: 'decide', height, blockId, certificate: commitCertificateOf(driver, blockId)! };
}

/** The quorum's word stands against the application's. */
export function isRefuted(driver: DriverState): boolean {
  const { step, committedBlock } = driver.round;
  return step === 'awaiting' && verdictOn(driver, committedBlock!) === false;
}

/** Of a driver that `isRefuted`. */
export function halt(driver: DriverState): Effect {
  const blockId = driver.round.committedBlock!;
  const certificate = commitCertificateOf(driver, blockId)!;
  return {
    kind: 'halt',
    reason: 'commit-of-invalid-block',
    height: driver.start.height,
    blockId,
    certificate,
  };
}

export function schedule(
  config: EngineConfig,
  driver: DriverState,
  timeout: TimeoutKind,
  round: number = driver.round.round,
): Effect {
  const { height } = driver.start;
  const durationMs = phaseMs(config.timeouts, timeout, round);
  return { kind: 'schedule-timeout', timeout, height, round, durationMs };
}

export function accuse(evidence: Evidence): Effect {
  return { kind: 'evidence', evidence };
}

export function sendDecision(message: Vote): Effect {
  return { kind: 'send-decision', to: message.validator, height: message.height };
}
