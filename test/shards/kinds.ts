// Kinds of transactions and messages for tests, beside the transfer: some that are refused, counted, passed on or long.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { bytesUpTo, digestOf, uint } from '../../src/base/codec.ts';
import type { Sha256 } from '../../src/base/hash.ts';
import type { OwnerId } from '../../src/base/ids.ts';
import { TRANSACTION_LENGTH_MAX } from '../../src/base/limits.ts';
import { credit } from '../../src/shards/account.ts';
import { type Amounts, NOTHING } from '../../src/shards/amounts.ts';
import type { Kinds } from '../../src/shards/block.ts';
import type { Delivery, Message, Operation } from '../../src/shards/operation.ts';
import { refundDelivery } from '../../src/shards/operations/refund.ts';
import { creditDelivery, type Transfer, transfer } from '../../src/shards/operations/transfer.ts';
import { Deliveries } from '../../src/shards/receipts.ts';
import type { RecordType } from '../../src/shards/record.ts';
import { homeOf, type StateKey, stateKey } from '../../src/shards/state-key.ts';
import { Operations } from '../../src/shards/transaction.ts';
import type { Overlay } from '../../src/shards/view.ts';

export const fastSha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** Sends numbered notes from account to account; the destination refuses what is out of order. */
export interface Note {
  readonly to: OwnerId;
  readonly from: OwnerId;
  readonly number: number;
}

const noteSchema = z
  .tuple([digestOf<OwnerId>(), digestOf<OwnerId>(), uint()])
  .transform(([to, from, number]): Note => ({ to, from, number }));
const noteTuple = ({ to, from, number }: Note): readonly unknown[] => [to, from, number];

const lastNote: RecordType<number> = {
  name: 'last note',
  schema: z.tuple([uint()]).transform(([number]) => number),
  tuple: (number) => [number],
};

export const noteKey = (to: OwnerId, from: OwnerId): StateKey =>
  stateKey(homeOf('account', to), 'proposal', from);

const note: Operation<Note> = {
  kind: 'note',
  tag: 100,
  schema: noteSchema,
  tuple: noteTuple,
  touches: (_sender, action) => [noteKey(action.to, action.from)],
  recipients: (_sender, { to }) => [homeOf('account', to)],
  commit: ({ sender, send }, action) => {
    const to = homeOf('account', action.to);
    send({ to, kind: 'note', payload: action, value: NOTHING, refundTo: sender });
    return undefined;
  },
};

const noteDelivery: Delivery<Note> = {
  kind: 'note',
  tag: 100,
  schema: noteSchema,
  tuple: noteTuple,
  touches: (_message, payload) => [noteKey(payload.to, payload.from)],
  execute: ({ state }, { to, from, number }) => {
    const last = state.get(noteKey(to, from), lastNote) ?? -1;
    if (number !== last + 1) return 'condition-failed';
    state.put(noteKey(to, from), lastNote, number);
    return undefined;
  },
};

/** Pays to somebody who never takes it. */
const offer: Operation<{ readonly to: OwnerId; readonly amounts: Amounts }> = {
  ...transfer,
  kind: 'offer',
  tag: 101,
  commit: (context, action) => {
    const refused = transfer.commit(
      { ...context, send: (message) => context.send({ ...message, kind: 'refuse' }) },
      action,
    );
    return refused;
  },
};

const refuseDelivery: Delivery<object> = {
  ...creditDelivery,
  kind: 'refuse',
  tag: 101,
  execute: () => 'not-the-owner',
};

/** Sends on what it gets, `hops` more times, first to the one, then to the other. */
interface Relay {
  readonly to: OwnerId;
  readonly back: OwnerId;
  readonly hops: number;
  readonly copies: number;
}

const relaySchema = z
  .tuple([digestOf<OwnerId>(), digestOf<OwnerId>(), uint(), uint()])
  .transform(([to, back, hops, copies]): Relay => ({ to, back, hops, copies }));

const relay: Operation<Relay> = {
  kind: 'relay',
  tag: 102,
  schema: relaySchema,
  tuple: ({ to, back, hops, copies }) => [to, back, hops, copies],
  touches: () => [],
  commit: ({ sender, send }, action) => {
    send({
      to: homeOf('account', action.to),
      kind: 'relay',
      payload: action,
      value: NOTHING,
      refundTo: sender,
    });
    return undefined;
  },
};

const relayDelivery: Delivery<Relay> = {
  kind: 'relay',
  tag: 102,
  schema: relaySchema,
  tuple: relay.tuple,
  touches: () => [],
  execute: ({ message, send }, { to, back, hops, copies }) => {
    if (hops === 0) return undefined;
    const payload: Relay = { to: back, back: to, hops: hops - 1, copies };
    for (let copy = 0; copy < copies; copy++) send({ ...message, to: homeOf('account', back), payload });
    return undefined;
  },
};

/** Takes a token of nothing along: it is marked at the sender as long as it is away. */
const lend: Operation<Transfer> = {
  ...transfer,
  kind: 'lend',
  tag: 104,
  commit: (context, action) => {
    const away = lentKey(context.sender);
    context.state.put(away, lastNote, (context.state.get(away, lastNote) ?? 0) + 1);
    const send = (message: Message) => context.send({ ...message, kind: 'lend', payload: context.sender });
    return transfer.commit({ ...context, send }, action);
  },
};

export const lentKey = (sender: OwnerId): StateKey => stateKey(homeOf('account', sender), 'object');

export const lentBy = (state: Overlay, sender: OwnerId): number | undefined =>
  state.get(lentKey(sender), lastNote);

const ownerSchema = z.tuple([digestOf<OwnerId>()]).transform(([owner]) => owner);

/** Nobody takes it, and so it is undone. */
const lendDelivery: Delivery<OwnerId> = {
  kind: 'lend',
  tag: 104,
  schema: ownerSchema,
  tuple: (owner) => [owner],
  touches: () => [],
  execute: () => 'not-the-owner',
  undo: (message, owner) => ({ ...message, to: homeOf('account', owner), kind: 'unlend' }),
};

const unlendDelivery: Delivery<OwnerId> = {
  kind: 'unlend',
  tag: 105,
  schema: ownerSchema,
  tuple: (owner) => [owner],
  isReturn: true,
  touches: (_message, owner) => [lentKey(owner)],
  execute: ({ state, message }, owner) => {
    state.put(lentKey(owner), lastNote, state.get(lentKey(owner), lastNote)! - 1);
    credit(state, owner, message.value);
    return undefined;
  },
};

/** As long as one likes. */
interface Blob {
  readonly to: OwnerId;
  readonly bytes: Uint8Array;
}

const blob: Operation<Blob> = {
  kind: 'blob',
  tag: 103,
  schema: z
    .tuple([digestOf<OwnerId>(), bytesUpTo(TRANSACTION_LENGTH_MAX)])
    .transform(([to, bytes]): Blob => ({ to, bytes })),
  tuple: ({ to, bytes }) => [to, bytes],
  touches: () => [],
  commit: ({ sender, send }, payload) => {
    const to = homeOf('account', payload.to);
    send({ to, kind: 'blob', payload, value: NOTHING, refundTo: sender });
    return undefined;
  },
};

const blobDelivery: Delivery<Blob> = {
  kind: 'blob',
  tag: 103,
  schema: blob.schema,
  tuple: ({ to, bytes }) => [to, bytes],
  touches: () => [],
  execute: () => undefined,
};

export const KINDS: Kinds = {
  operations: new Operations([transfer, note, offer, relay, blob, lend]),
  deliveries: new Deliveries([
    refundDelivery,
    creditDelivery,
    noteDelivery,
    refuseDelivery,
    relayDelivery,
    blobDelivery,
    lendDelivery,
    unlendDelivery,
  ]),
};
