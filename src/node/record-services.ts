// put-record and get-record: whole copies of manifests and their pages, by SHA-256. A record is taken only when it says
// itself that it belongs to the object of its ticket, so that nobody can occupy, or later remove, another's record.

import { equal, short } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, NetworkId, ObjectId } from '../base/ids.ts';
import {
  EXCHANGE_TIMEOUT_MS,
  MANIFEST_LENGTH_MAX,
  PIECE_REQUESTS_PER_SECOND,
  SERVICE_CONCURRENCY,
  SERVICE_HEADER_LENGTH_MAX,
} from '../base/limits.ts';
import type { ServedReply, Service } from '../base/ports.ts';
import { confirmedRecord, signConfirmation } from '../replication/confirmation.ts';
import {
  decodeGetRecord,
  decodePutRecord,
  encodePutReply,
  type PutRecord,
  SERVICES,
} from '../replication/messages.ts';
import type { ByteBudget } from './byte-budget.ts';
import { objectRecordKey, recordKey } from './entry-keys.ts';
import { EMPTY_HEADER, type KeeperOptions, type KeeperPorts } from './keeper-ports.ts';
import { checkPut, objectOf } from './permission.ts';
import { isPublicManifest, objectOfRecord } from './record-head.ts';
import { atBorder, isHere } from './stored.ts';

const BOUNDS = {
  maxHeaderLength: SERVICE_HEADER_LENGTH_MAX,
  timeoutMs: EXCHANGE_TIMEOUT_MS,
  maxConcurrentPerPeer: SERVICE_CONCURRENCY,
  maxPerSecondPerPeer: PIECE_REQUESTS_PER_SECOND,
};

/** `budget` bounds what is being read for replies. */
export function recordServices(ports: KeeperPorts, options: KeeperOptions, budget: ByteBudget): Service[] {
  return [
    {
      ...BOUNDS,
      name: SERVICES.putRecord,
      maxBodyLength: MANIFEST_LENGTH_MAX,
      admit: async (_from, header, bodyLength) => {
        const put = decodePutRecord(header);
        checkPut(ports, options, put, bodyLength, { place: undefined, content: put.digest });
      },
      handle: (_from, header, body) =>
        atBorder(() => putRecord(ports, options, decodePutRecord(header), body)),
    },
    {
      ...BOUNDS,
      name: SERVICES.getRecord,
      maxBodyLength: 0,
      handle: (_from, header, _body, signal) =>
        atBorder(() => getRecord(ports, budget, decodeGetRecord(header), signal)),
    },
  ];
}

async function putRecord(
  ports: KeeperPorts,
  options: KeeperOptions,
  put: PutRecord,
  body: Uint8Array,
): Promise<ServedReply> {
  const found = ports.sha256(body);
  if (!equal(found, put.digest)) {
    throw new StoreError(
      'INTEGRITY',
      `the record sent has digest ${short(found)}, its ticket ${short(put.digest)}`,
    );
  }
  const object = objectOf(options, put);
  checkBelongs(body, object, options.network);
  if (!(await isHere(ports, recordKey(put.digest), body.length))) {
    // The pointer first: a record without it could never be removed, a pointer without its record harms nobody.
    await ports.log.put({
      key: objectRecordKey(object, put.digest),
      meta: new Uint8Array(0),
      payload: new Uint8Array(0),
    });
    await ports.log.put({ key: recordKey(put.digest), meta: object, payload: body });
  }
  if (options.publicObjects !== undefined && isPublicManifest(body)) options.publicObjects.stored(put.digest);
  const confirmed = confirmedRecord(options.network, object, put.digest, body.length);
  return { header: encodePutReply(signConfirmation(confirmed, ports.signer)) };
}

/** Throws INVALID_ENCODING when `body` is no record, WRONG_NETWORK or UNAUTHORIZED when it is another object's. */
function checkBelongs(body: Uint8Array, object: ObjectId, network: NetworkId): void {
  const owner = objectOfRecord(body, network);
  if (!equal(owner, object)) {
    throw new StoreError(
      'UNAUTHORIZED',
      `the record belongs to object ${short(owner)}, its ticket to ${short(object)}`,
    );
  }
}

async function getRecord(
  ports: KeeperPorts,
  budget: ByteBudget,
  digest: Digest,
  signal: AbortSignal,
): Promise<ServedReply> {
  const key = recordKey(digest);
  const stat = await ports.log.stat(key);
  if (stat === undefined) throw new StoreError('NOT_FOUND', `record ${short(digest)} is not here`);
  const { payloadLength } = stat;
  const body = await budget.use(payloadLength, signal, () => ports.log.read(key, 0, payloadLength));
  return { header: EMPTY_HEADER, body: [body] };
}
