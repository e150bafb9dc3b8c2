// A consensus engine as the paper has it (section 5.1): propose a value, process a message, tell the decided value. Whoever has
// another algorithm puts it behind this interface; ours is `accountableTendermint`, the step machine of `engine.ts`
// with its state kept in a variable. Effects are still the caller's to perform, in order.

import { step } from './engine.ts';
import { type EngineConfig, type EngineState, INITIAL } from './engine-state.ts';
import type { BlockId, CommitCertificate, Effect, HeightStart, Input, Message } from './types.ts';

export interface Decision {
  readonly height: number;
  readonly blockId: BlockId;
  readonly certificate: CommitCertificate;
}

export interface ConsensusEngine {
  /** Begins a height, whose validators and proposers are fixed by it. */
  start(start: HeightStart): readonly Effect[];
  /** The block for (height, round), which an effect `request-value` asked for. */
  propose(height: number, round: number, blockId: BlockId): readonly Effect[];
  /** A verified message of another validator. */
  processMessage(message: Message): readonly Effect[];
  /** Anything else that happened: a signature made, a block judged, a phase's time over. */
  process(input: Input): readonly Effect[];
  /** The last height decided, or undefined before the first. */
  decided(): Decision | undefined;
}

export function accountableTendermint(config: EngineConfig): ConsensusEngine {
  let state: EngineState = INITIAL;
  let last: Decision | undefined;
  const process = (input: Input): readonly Effect[] => {
    const transition = step(config, state, input);
    state = transition.state;
    for (const effect of transition.effects) if (effect.kind === 'decide') last = effect;
    return transition.effects;
  };
  return {
    start: (start) => process({ kind: 'start-height', start }),
    propose: (height, round, blockId) => process({ kind: 'value', height, round, blockId }),
    processMessage: (message) => process({ kind: 'message', message }),
    process,
    decided: () => last,
  };
}
