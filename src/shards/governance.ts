// How validators change the parameters: somebody proposes the whole record that shall replace the one in force, operators say yes, and at a
// border what has more than two thirds of the epoch's power comes into force with the next epoch.
//
// A proposal names the record it was made against, and when one is accepted all others are dropped: so nobody's yes to one change
// undoes another.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { digestOf, listOf, uint } from '../base/codec.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Digest, Epoch, OwnerId } from '../base/ids.ts';
import { PROPOSALS_MAX, VALIDATORS_MAX } from '../base/limits.ts';
import { exceeds, QUORUM } from '../consensus/validator-set.ts';
import type { RefusalCode } from './operation.ts';
import {
  type Parameters,
  parametersDigest,
  parametersSchema,
  parametersTuple,
  successionProblem,
} from './parameters.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import { isWithinBounds, supplyOf } from './supply.ts';
import { powerOfAll, type SetEntries } from './validator-sets.ts';
import type { Overlay } from './view.ts';

export interface Proposal {
  /** Digest of the transaction that made it. */
  readonly id: Digest;
  readonly proposer: OwnerId;
  readonly parameters: Parameters;
  /** The last epoch in which it can be accepted. */
  readonly lastEpoch: Epoch;
  /** Operators that said yes. */
  readonly votes: readonly OwnerId[];
}

const proposalSchema = z
  .tuple([
    digestOf<Digest>(),
    digestOf<OwnerId>(),
    parametersSchema,
    uint(),
    listOf(digestOf<OwnerId>(), VALIDATORS_MAX),
  ])
  .transform(
    ([id, proposer, parameters, lastEpoch, votes]): Proposal => ({
      id,
      proposer,
      parameters,
      lastEpoch: lastEpoch as Epoch,
      votes,
    }),
  );

export const proposalsRecord: RecordType<readonly Proposal[]> = {
  name: 'proposals',
  schema: z.tuple([listOf(proposalSchema, PROPOSALS_MAX)]).transform(([proposals]) => proposals),
  tuple: (proposals) => [
    proposals.map((proposal) => [
      proposal.id,
      proposal.proposer,
      parametersTuple(proposal.parameters),
      proposal.lastEpoch,
      proposal.votes,
    ]),
  ],
};

export function proposalsKey(): StateKey {
  return systemKey('proposal');
}

/** Those that are open, oldest first. */
export function proposalsOf(state: Overlay): readonly Proposal[] {
  return state.get(proposalsKey(), proposalsRecord) ?? [];
}

function putProposals(state: Overlay, proposals: readonly Proposal[]): void {
  if (proposals.length === 0) state.remove(proposalsKey());
  else state.put(proposalsKey(), proposalsRecord, proposals);
}

function hasVote(set: SetEntries, operator: OwnerId): boolean {
  return set.some((entry) => equal(entry.operator, operator));
}

/**
 * Its proposer says yes with it. An operator has one proposal open at a time. `replaces` is the digest of the parameters that it was made
 * against: `condition-failed` when others are in force by now.
 */
export function open(
  state: Overlay,
  now: Parameters,
  set: SetEntries,
  proposal: Omit<Proposal, 'votes'>,
  replaces: Digest,
  sha256: Sha256,
): RefusalCode | undefined {
  if (!hasVote(set, proposal.proposer)) return 'not-the-operator';
  if (!equal(replaces, parametersDigest(now, sha256))) return 'condition-failed';
  if (successionProblem(now, proposal.parameters) !== undefined) return 'invalid-argument';
  if (!isWithinBounds(proposal.parameters, supplyOf(state).total)) return 'invalid-argument';
  const proposals = proposalsOf(state);
  if (proposals.some(({ proposer }) => equal(proposer, proposal.proposer))) return 'already-exists';
  if (proposals.length === PROPOSALS_MAX) return 'limit-exceeded';
  putProposals(state, [...proposals, { ...proposal, votes: [proposal.proposer] }]);
  return undefined;
}

/** Says yes, or takes a yes back. */
export function vote(
  state: Overlay,
  set: SetEntries,
  operator: OwnerId,
  id: Digest,
  isYes: boolean,
): RefusalCode | undefined {
  if (!hasVote(set, operator)) return 'not-the-operator';
  const proposals = proposalsOf(state);
  const index = proposals.findIndex((proposal) => equal(proposal.id, id));
  if (index < 0) return 'expired';
  const proposal = proposals[index]!;
  const others = proposal.votes.filter((voter) => !equal(voter, operator));
  // Of those who lost their seat meanwhile, the voices are dropped before there is no room.
  const standing = others.filter((voter) => hasVote(set, voter));
  const votes = isYes ? [...standing, operator] : standing;
  putProposals(state, proposals.with(index, { ...proposal, votes }));
  return undefined;
}

/** At the border of `epoch`, whose validators are `set`: the parameters from the next epoch on. Of two that are accepted, the older. */
export function tally(state: Overlay, now: Parameters, set: SetEntries, epoch: Epoch): Parameters {
  const open = proposalsOf(state);
  const accepted = open.find(
    (proposal) =>
      exceeds(QUORUM, yesOf(proposal, set), powerOfAll(set)) &&
      isWithinBounds(proposal.parameters, supplyOf(state).total),
  );
  putProposals(state, accepted === undefined ? open.filter(({ lastEpoch }) => lastEpoch > epoch) : []);
  return accepted?.parameters ?? now;
}

function yesOf(proposal: Proposal, set: SetEntries): bigint {
  const isYes = (operator: OwnerId): boolean => proposal.votes.some((voter) => equal(voter, operator));
  return powerOfAll(set.filter(({ operator }) => isYes(operator)));
}
