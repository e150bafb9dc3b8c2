// A validator's operator proposes the parameters that shall replace those in force, and says yes to them.

import { z } from 'zod';
import { digestOf } from '../../base/codec.ts';
import type { Digest, Epoch } from '../../base/ids.ts';
import { open, proposalsKey } from '../governance.ts';
import {
  type Parameters,
  parametersKey,
  parametersOf,
  parametersSchema,
  parametersTuple,
} from '../parameters.ts';
import { supplyKey } from '../supply.ts';
import { systemOperation, type SystemOperation } from '../system-operation.ts';
import { settledEntries, validatorSetKey } from '../validator-sets.ts';

export interface ProposeParameters {
  /** `parametersDigest` of those it was made against. */
  readonly replaces: Digest;
  readonly parameters: Parameters;
}

export const proposeParameters: SystemOperation<ProposeParameters> = systemOperation({
  kind: 'propose-parameters',
  tag: 27,
  schema: z
    .tuple([digestOf<Digest>(), parametersSchema])
    .transform(([replaces, parameters]) => ({ replaces, parameters })),
  tuple: ({ replaces, parameters }) => [replaces, parametersTuple(parameters)],
  touches: (_from, _action, block) => [
    parametersKey(),
    proposalsKey(),
    supplyKey(),
    validatorSetKey(block.epoch),
  ],
  execute: ({ state, block }, { from, id, action }) => {
    const now = parametersOf(state);
    const lastEpoch = (block.epoch + now.proposalEpochs) as Epoch;
    const proposal = { id, proposer: from, parameters: action.parameters, lastEpoch };
    const set = settledEntries(state, block.epoch);
    return open(state, now, set, proposal, action.replaces, block.sha256);
  },
});
