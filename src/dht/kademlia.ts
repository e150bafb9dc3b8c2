// libp2p's Kademlia as we use it: signed records only, every record checked on the way in and on the way out, dead
// nodes forgotten at once. Provider records, public-key records and client mode are off.
//
// Invariants: what `get` yields passed `checkRecord` here, whoever sent it; a record that does not pass is neither kept nor passed
// on; one hostile answer neither ends nor spoils a look-up.

import type { PeerId } from '@libp2p/interface';
import {
  type KadDHT,
  type KadDHTComponents,
  kadDHT,
  passthroughMapper,
  type QueryEvent,
} from '@libp2p/kad-dht';
import { equal } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import { DHT_ANSWERS_MAX, DHT_BUCKET_SIZE, DHT_OPERATION_MS } from '../base/limits.ts';
import type { Clock } from '../base/ports.ts';
import { placeOf } from './keyspace.ts';
import { checkRecord, NAMESPACES, type RecordRules, selectNewest } from './record.ts';
import { createRecordStore, type RecordStore, STORE_PREFIX } from './record-store.ts';

export interface KademliaOptions {
  /** Protocol id on the wire. */
  readonly protocol: string;
  readonly rules: RecordRules;
  readonly clock: Clock;
}

export interface Kademlia {
  /** Puts a record on the nodes nearest to its key; returns how many others took it. */
  put(key: Uint8Array, record: Uint8Array, signal: AbortSignal): Promise<number>;
  /** The newest good record under the key, after everyone near it was asked. */
  get(key: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Forgets a node: libp2p would keep it in its tables long after its death. */
  remove(peer: PeerId): Promise<void>;
  /** Nodes in the routing table. */
  readonly tableSize: number;
  /** Records kept for others, own ones included. */
  readonly recordCount: number;
}

/** The DHT as a service of a libp2p host, which starts and stops it; `kademliaOf` gives the handle to it. */
export interface KademliaService extends KadDHT {
  readonly kademlia: Kademlia;
}

export function kademliaService(options: KademliaOptions): (components: KadDHTComponents) => KademliaService {
  const { rules, clock } = options;
  const validate = async (key: Uint8Array, value: Uint8Array): Promise<void> => {
    checkRecord(key, value, rules, clock.now());
  };
  const select = (key: Uint8Array, records: Uint8Array[]): number =>
    selectNewest(records, (bytes) => checkRecord(key, bytes, rules, clock.now()));
  const refuseAll = (): never => {
    throw new StoreError('UNSUPPORTED', 'records of this kind are not kept here');
  };
  const create = kadDHT({
    protocol: options.protocol,
    clientMode: false,
    kBucketSize: DHT_BUCKET_SIZE,
    peerInfoMapper: passthroughMapper,
    datastorePrefix: STORE_PREFIX,
    validators: { ...forNamespaces(validate), pk: refuseAll },
    selectors: { ...forNamespaces(select), pk: refuseAll },
    maxInboundStreams: 16,
    maxOutboundStreams: 32,
    incomingMessageTimeout: DHT_OPERATION_MS,
  });
  return (components) => {
    const store = createRecordStore(rules, clock, placeOf(components.peerId.toMultihash().bytes));
    const dht = create({
      peerId: components.peerId,
      privateKey: components.privateKey,
      registrar: components.registrar,
      addressManager: components.addressManager,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      events: components.events,
      logger: components.logger,
      ping: components.ping,
      datastore: store.datastore,
    });
    return Object.assign(dht, { kademlia: adapt(dht, store, rules, clock) });
  };
}

function adapt(dht: KadDHT, store: RecordStore, rules: RecordRules, clock: Clock): Kademlia {
  /** Not in libp2p's interface, but in every version of its table. */
  const table = (dht as KadDHT & { routingTable: { size: number; remove(peer: PeerId): Promise<void> } })
    .routingTable;
  return {
    async put(key, record, signal) {
      checkRecord(key, record, rules, clock.now());
      // Alone, libp2p would wait for a peer.
      if (table.size === 0) {
        store.keep(key, record);
        return 0;
      }
      let takers = 0;
      for await (const event of dht.put(key, record, { signal })) {
        if (tookRecord(event, record)) takers += 1;
      }
      return takers;
    },
    async get(key, signal) {
      const answers: Uint8Array[] = [];
      const own = store.find(key);
      if (own !== undefined) answers.push(own);
      if (table.size === 0) return own;
      try {
        for await (const event of dht.get(key, { signal })) {
          // Then libp2p starts to correct the nodes that had an older record, and fails the look-up when one refuses.
          if ('path' in event && event.path?.index === -1) break;
          if (event.name !== 'PEER_RESPONSE' || event.record === undefined) continue;
          const value = new Uint8Array(event.record.value);
          if (answers.length < DHT_ANSWERS_MAX && isGood(key, value)) answers.push(value);
        }
      } catch (error) {
        if (answers.length === 0) throw error;
      }
      if (answers.length === 0) return undefined;
      return answers[selectNewest(answers, (bytes) => checkRecord(key, bytes, rules, clock.now()))];
    },
    async remove(peer) {
      await table.remove(peer);
    },
    get tableSize() {
      return table.size;
    },
    get recordCount() {
      return store.size;
    },
  };

  function isGood(key: Uint8Array, value: Uint8Array): boolean {
    try {
      checkRecord(key, value, rules, clock.now());
      return true;
    } catch {
      return false;
    }
  }
}

function tookRecord(event: QueryEvent, record: Uint8Array): boolean {
  return (
    event.name === 'PEER_RESPONSE' &&
    event.messageName === 'PUT_VALUE' &&
    event.record !== undefined &&
    equal(event.record.value, record)
  );
}

function forNamespaces<T>(value: T): Record<string, T> {
  return Object.fromEntries(Object.values(NAMESPACES).map((namespace) => [namespace, value]));
}
