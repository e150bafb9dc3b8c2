// The engine of `src/consensus` as the host drives it: bound to its network, its parameters and a way to check signatures.

import type { NetworkId } from '../../base/ids.ts';
import type { Verify } from '../../base/ports.ts';
import { resume, step } from '../../consensus/engine.ts';
import { type EngineConfig, type EngineState, INITIAL } from '../../consensus/engine-state.ts';
import type { HeightStart, Message } from '../../consensus/types.ts';
import { verifyMessage } from '../../consensus/verify.ts';
import { hasPolka, knowsVote } from '../../consensus/vote-keeper.ts';
import type { HostEngine } from './host.ts';

export interface RealEngineOptions {
  readonly config: EngineConfig;
  readonly network: NetworkId;
  readonly verify: Verify;
  /** Who votes and proposes at a height: the one under way, and of the next and of those below what the application knows. */
  readonly startOf: (height: number) => Pick<HeightStart, 'validators' | 'proposers'> | undefined;
}

export function realEngine(options: RealEngineOptions): HostEngine<EngineState> {
  const { config, network, verify, startOf } = options;
  return {
    initial: INITIAL,
    step: (state, input) => step(config, state, input),
    resume: (state) => resume(config, state),
    judge: (state, message) => {
      const height = state.driver?.start.height ?? 0;
      const round = state.driver?.round.round ?? 0;
      const isKnown = (): boolean => knows(state, message);
      return verifyMessage({ network, height, round, startOf, verify, isKnown }, message);
    },
  };
}

/** The engine has it already and would do nothing. After a decision it answers who repeats himself, so then nothing is known. */
function knows(state: EngineState, message: Message): boolean {
  const { driver } = state;
  if (driver === undefined || message.height !== driver.start.height || driver.round.step === 'decided') {
    return false;
  }
  switch (message.kind) {
    case 'prevote':
    case 'precommit':
      return knowsVote(driver.votes, message);
    case 'polka-certificate':
      return hasPolka(driver.votes, message.round, message.blockId, message.validRound);
    case 'commit-certificate':
      return driver.votes.commit !== undefined;
    case 'proposal':
      return driver.proposals.some(
        ({ round, blockId, validRound }) =>
          round === message.round && blockId === message.blockId && validRound === message.validRound,
      );
    case 'round-certificate':
      return false;
  }
}
