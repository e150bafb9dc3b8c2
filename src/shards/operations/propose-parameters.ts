// A validator's operator proposes the parameters that shall replace those in force, and says yes to them.

import { z } from 'zod';
import type { Epoch } from '../../base/ids.ts';
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
  readonly parameters: Parameters;
}

export const proposeParameters: SystemOperation<ProposeParameters> = systemOperation({
  kind: 'propose-parameters',
  tag: 27,
  schema: z.tuple([parametersSchema]).transform(([parameters]) => ({ parameters })),
  tuple: ({ parameters }) => [parametersTuple(parameters)],
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
    return open(state, now, settledEntries(state, block.epoch), proposal, block.sha256);
  },
});
