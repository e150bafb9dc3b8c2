// Where stake plugs into the execution of blocks: its operations and messages, what it does when a block opens and closes, and at the border.

import { equal } from '../base/bytes.ts';
import type { Digest } from '../base/ids.ts';
import { indexOf } from '../consensus/validator-set.ts';
import { borderTouches, closeEpoch, scheduleOf } from './epoch-border.ts';
import { epochStateKey, epochStateOf, firstHeightOf } from './epoch-state.ts';
import { judge, judgementTouches } from './offences.ts';
import type { Delivery, Operation } from './operation.ts';
import { anchorAudit } from './operations/anchor-audit.ts';
import { answerDispute } from './operations/answer-dispute.ts';
import { bond } from './operations/bond.ts';
import { changeNode } from './operations/change-node.ts';
import { commitBeacon } from './operations/commit-beacon.ts';
import { delegate } from './operations/delegate.ts';
import { proposeParameters } from './operations/propose-parameters.ts';
import { registerNode } from './operations/register-node.ts';
import { rekeyNode } from './operations/rekey-node.ts';
import { reportAuditor } from './operations/report-auditor.ts';
import { reportEvidence } from './operations/report-evidence.ts';
import { returnNode } from './operations/return-node.ts';
import { retireNode } from './operations/retire-node.ts';
import { unbond } from './operations/unbond.ts';
import { unjail } from './operations/unjail.ts';
import { voteParameters } from './operations/vote-parameters.ts';
import { withdraw } from './operations/withdraw.ts';
import { contributorKey, countTransactions, missedProposers, turnsKey, recordBlock } from './turns.ts';
import type { BlockRule, RuleContext } from './rules.ts';
import { burn } from './supply.ts';
import { homeOf } from './state-key.ts';
import { asValidatorSet, settledEntries, validatorSetKey } from './validator-sets.ts';

const KINDS = [
  registerNode,
  rekeyNode,
  retireNode,
  changeNode,
  bond,
  delegate,
  unbond,
  withdraw,
  unjail,
  commitBeacon,
  reportEvidence,
  proposeParameters,
  voteParameters,
  anchorAudit,
  returnNode,
  reportAuditor,
  answerDispute,
] as const;

export const STAKE_OPERATIONS: readonly Operation<unknown>[] = KINDS.map(({ operation }) => operation);
export const STAKE_DELIVERIES: readonly Delivery<unknown>[] = KINDS.map(({ delivery }) => delivery);

/** Opening: the reveal and the turns that were missed. */
export const turnsRule: BlockRule = {
  name: 'turns',
  touches: ({ proposer }, { epoch }) => [
    epochStateKey(),
    validatorSetKey(epoch),
    turnsKey(),
    contributorKey(proposer),
  ],
  apply: ({ block, state, inputs }) => {
    const set = asValidatorSet(settledEntries(state, block.epoch));
    const proposer = indexOf(set, inputs.proposer);
    if (proposer === undefined) return 'its proposer is no validator';
    return recordBlock(state, block, {
      proposer,
      reveal: inputs.reveal as Digest | null,
      missed: missedBefore({ block, state, inputs }),
    });
  },
};

/** Who did not get the parent decided, as its commit certificate shows, unless that is another epoch's affair. */
function missedBefore({
  block,
  state,
  inputs,
}: Pick<RuleContext, 'block' | 'state' | 'inputs'>): readonly number[] {
  const { lastCommit } = inputs;
  const isOurs = lastCommit !== null && lastCommit.height >= firstHeightOf(epochStateOf(state));
  if (!isOurs || lastCommit.round === 0) return [];
  return missedProposers(scheduleOf(state, block), lastCommit.height, lastCommit.round);
}

/** Opening: evidence in the block. What proves nothing has no place there. */
export const evidenceRule: BlockRule = {
  name: 'evidence',
  touches: ({ evidence }) => (evidence.length === 0 ? [] : judgementTouches()),
  apply: (context) => {
    const { block, state, inputs } = context;
    const set = settledEntries(state, block.epoch);
    const proposer = set.find(({ node }) => equal(node, inputs.proposer));
    if (proposer === undefined) return 'its proposer is no validator';
    for (const evidence of inputs.evidence) {
      const judgement = judge(state, block, evidence);
      if (judgement.refusal !== undefined) return `evidence: ${judgement.refusal}`;
      if (judgement.reward.length === 0) continue;
      const to = homeOf('account', proposer.operator);
      const isSent = context.send({
        to,
        kind: 'credit',
        payload: {},
        value: judgement.reward,
        refundTo: proposer.operator,
      });
      // The slash must not wait for a lane: then nobody gets it.
      if (!isSent) burn(state, judgement.reward);
    }
    return undefined;
  },
};

/** Closing: what there was to do, by which shards split and merge at the border. Refused transactions were work too. */
export const loadRule: BlockRule = {
  name: 'load',
  touches: () => [turnsKey()],
  apply: ({ state, transactions }) => {
    if (transactions > 0) countTransactions(state, transactions);
    return undefined;
  },
};

/** Border. */
export const epochRule: BlockRule = {
  name: 'epoch',
  touches: (_inputs, block) => borderTouches(block),
  apply: (context) => {
    const { shardBits } = closeEpoch(context.state, context.block, context.canReshape);
    if (shardBits !== context.block.shardBits) context.reshape(shardBits);
    return undefined;
  },
};
