// Nodes and their operators as the chain knows them.
//
// A node is named for good by the key it was registered with (its registration); the key it signs with may change. Everything that
// must outlive a change of keys hangs on the registration: bonds, jail, offences, counters, admission seed. What must outlive the node
// itself hangs on the operator: the tombstone, and a jail that would be left by registering again. A key belongs to one node for ever, so
// evidence against an old key finds who answers for it.
//
// Records lie at the system's home: at an epoch's border all of them are read together, whatever the number of shards is. What touches an
// account elsewhere goes there by messages.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { bytesOf, digestOf, label, listOf, uint } from '../base/codec.ts';
import type { Digest, Epoch, NodeId, OwnerId } from '../base/ids.ts';
import { DOMAIN_LABELS_MAX, MEMBERS_MAX, OPERATOR_NODES_MAX, PROVEN_GIB_MAX } from '../base/limits.ts';
import { type Amounts, amountsSchema } from './amounts.ts';
import type { RecordType } from './record.ts';
import type { StateKey } from './state-key.ts';
import { systemKey } from './system-key.ts';
import type { Overlay } from './view.ts';

/** The key that a node was registered with. */
export type Registration = NodeId;

export type Domains = readonly (readonly [label: string, value: string])[];

/** What an operator says about its node, and may say anew. In force from the next epoch on. */
export interface NodeData {
  /** Bytes it offers. */
  readonly capacityBytes: number;
  /** Failure domains, sorted by label, one value a label. */
  readonly domains: Domains;
  /** False: it stores, and has no vote whatever its stake. */
  readonly validates: boolean;
  /** Whether others than the operator may bond at it. */
  readonly acceptsDelegation: boolean;
}

/** The worse thing contains the less: whoever answered for the one is not asked for the other. */
export type OffenceClass = 'double-sign' | 'attack';
export const OFFENCE_CLASSES: readonly OffenceClass[] = ['double-sign', 'attack'];

export interface NodeOffence {
  readonly class: OffenceClass;
  /** Of the first: stake that left before it is not liable. */
  readonly epoch: Epoch;
  /** Share of the stake that was taken for it so far, in millionths. */
  readonly takenPerMillion: number;
}

export interface NodeRecord extends NodeData {
  readonly registration: Registration;
  readonly operator: OwnerId;
  /** What it signs with now. */
  readonly key: NodeId;
  /** Where it stands in the index. */
  readonly place: number;
  readonly registeredEpoch: Epoch;
  /** Of its last change of keys, or of its registration. */
  readonly keyedEpoch: Epoch;
  /** Drawn two borders after the registration; until then it is no member. */
  readonly admissionSeed: Digest | null;
  readonly provenGib: number;
  /** Sums of its bonds, and of what waits to be let go at a border. */
  readonly bonded: Amounts;
  readonly waiting: Amounts;
  readonly isRetired: boolean;
  readonly isTombstoned: boolean;
  readonly isJailed: boolean;
  /** It may ask out of jail in this epoch. */
  readonly jailedUntil: Epoch;
  readonly offence: NodeOffence | null;
}

export interface OperatorRecord {
  /** Of its nodes that are not retired, in the order of their registration. */
  readonly nodes: readonly Registration[];
  /** The latest of all its nodes, retired ones too. */
  readonly jailedUntil: Epoch;
  readonly isTombstoned: boolean;
}

const NO_NODES: OperatorRecord = { nodes: [], jailedUntil: 0 as Epoch, isTombstoned: false };

// ---- Form --------------------------------------------------------------------------------------------------------

export const domainsSchema: z.ZodType<Domains> = listOf(z.tuple([label, label]), DOMAIN_LABELS_MAX).refine(
  (domains) => domains.every(([name], index) => index === 0 || domains[index - 1]![0] < name),
  'failure domains are not sorted',
);

export const nodeDataSchema: z.ZodType<NodeData> = z
  .tuple([uint(), domainsSchema, z.boolean(), z.boolean()])
  .transform(([capacityBytes, domains, validates, acceptsDelegation]) => ({
    capacityBytes,
    domains,
    validates,
    acceptsDelegation,
  }));

export function nodeDataTuple(data: NodeData): readonly unknown[] {
  return [data.capacityBytes, data.domains, data.validates, data.acceptsDelegation];
}

const epochSchema = uint() as unknown as z.ZodType<Epoch>;

const offenceSchema = z.tuple([uint(OFFENCE_CLASSES.length - 1), epochSchema, uint(1_000_000)]).transform(
  ([tag, epoch, takenPerMillion]): NodeOffence => ({
    class: OFFENCE_CLASSES[tag]!,
    epoch,
    takenPerMillion,
  }),
);

const nodeSchema = z
  .tuple([
    z.tuple([digestOf<NodeId>(), digestOf<OwnerId>(), digestOf<NodeId>(), uint(MEMBERS_MAX)]),
    z.tuple([epochSchema, epochSchema, z.union([digestOf<Digest>(), z.null()]), uint(PROVEN_GIB_MAX)]),
    nodeDataSchema,
    z.tuple([amountsSchema, amountsSchema]),
    z.tuple([z.boolean(), z.boolean(), z.boolean(), epochSchema, z.union([offenceSchema, z.null()])]),
  ])
  .transform(
    ([
      [registration, operator, key, place],
      [registeredEpoch, keyedEpoch, admissionSeed, provenGib],
      data,
      [bonded, waiting],
      [isRetired, isTombstoned, isJailed, jailedUntil, offence],
    ]): NodeRecord => ({
      registration,
      operator,
      key,
      place,
      registeredEpoch,
      keyedEpoch,
      admissionSeed,
      provenGib,
      ...data,
      bonded,
      waiting,
      isRetired,
      isTombstoned,
      isJailed,
      jailedUntil,
      offence,
    }),
  );

export const nodeRecord: RecordType<NodeRecord> = {
  name: 'node',
  schema: nodeSchema,
  tuple: (node) => [
    [node.registration, node.operator, node.key, node.place],
    [node.registeredEpoch, node.keyedEpoch, node.admissionSeed, node.provenGib],
    nodeDataTuple(node),
    [node.bonded, node.waiting],
    [node.isRetired, node.isTombstoned, node.isJailed, node.jailedUntil, offenceTuple(node.offence)],
  ],
};

function offenceTuple(offence: NodeOffence | null): readonly unknown[] | null {
  if (offence === null) return null;
  return [OFFENCE_CLASSES.indexOf(offence.class), offence.epoch, offence.takenPerMillion];
}

export const operatorRecord: RecordType<OperatorRecord> = {
  name: 'operator',
  schema: z
    .tuple([listOf(digestOf<NodeId>(), OPERATOR_NODES_MAX), epochSchema, z.boolean()])
    .transform(
      ([nodes, jailedUntil, isTombstoned]): OperatorRecord => ({ nodes, jailedUntil, isTombstoned }),
    ),
  tuple: ({ nodes, jailedUntil, isTombstoned }) => [nodes, jailedUntil, isTombstoned],
};

/** Whose a key is, for ever. */
const keyRecord: RecordType<Registration> = {
  name: 'node key',
  schema: z.tuple([bytesOf(32)]).transform(([registration]) => registration as Registration),
  tuple: (registration) => [registration],
};

// ---- In the state ------------------------------------------------------------------------------------------------

export const nodeStateKey = (registration: Registration): StateKey => systemKey('node', registration);

export const operatorStateKey = (operator: OwnerId): StateKey => systemKey('operator', operator);

export const nodeKeyStateKey = (key: NodeId): StateKey => systemKey('node-key', key);

export function nodeOf(state: Overlay, registration: Registration): NodeRecord | undefined {
  return state.get(nodeStateKey(registration), nodeRecord);
}

export function putNode(state: Overlay, node: NodeRecord): void {
  state.put(nodeStateKey(node.registration), nodeRecord, node);
}

/** The node that `key` belongs to or once belonged to. */
export function nodeWithKey(state: Overlay, key: NodeId): NodeRecord | undefined {
  const registration = state.get(nodeKeyStateKey(key), keyRecord);
  return registration === undefined ? undefined : nodeOf(state, registration);
}

export function isKeyTaken(state: Overlay, key: NodeId): boolean {
  return state.read(nodeKeyStateKey(key)) !== null;
}

export function takeKey(state: Overlay, key: NodeId, registration: Registration): void {
  state.put(nodeKeyStateKey(key), keyRecord, registration);
}

export function operatorOf(state: Overlay, operator: OwnerId): OperatorRecord {
  return state.get(operatorStateKey(operator), operatorRecord) ?? NO_NODES;
}

export function putOperator(state: Overlay, operator: OwnerId, record: OperatorRecord): void {
  state.put(operatorStateKey(operator), operatorRecord, record);
}

// ---- What happens to them ----------------------------------------------------------------------------------------

/** Out of the sets as soon as rules allow, not to come back before it asks, and not before `until`. */
export function jail(state: Overlay, node: NodeRecord, until: Epoch): NodeRecord {
  const later = Math.max(node.jailedUntil, until) as Epoch;
  const jailed: NodeRecord = { ...node, isJailed: true, jailedUntil: later };
  putNode(state, jailed);
  const operator = operatorOf(state, node.operator);
  const jailedUntil = Math.max(operator.jailedUntil, later) as Epoch;
  putOperator(state, node.operator, { ...operator, jailedUntil });
  return jailed;
}

/** The operator is out for good, with all its nodes. */
export function tombstone(state: Overlay, operator: OwnerId): void {
  const record = operatorOf(state, operator);
  putOperator(state, operator, { ...record, isTombstoned: true });
  for (const registration of record.nodes) {
    const node = nodeOf(state, registration);
    if (node !== undefined) putNode(state, { ...node, isTombstoned: true });
  }
}

/** Without the node; its jail stays with the operator. */
export function forgetAtOperator(state: Overlay, node: NodeRecord): void {
  const operator = operatorOf(state, node.operator);
  const nodes = operator.nodes.filter((registration) => !equal(registration, node.registration));
  putOperator(state, node.operator, { ...operator, nodes });
}
