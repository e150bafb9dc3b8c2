// Finished uploads for tests: every piece of theirs was confirmed, and every copy of the manifest, more often than the chain asks for.

import type { NodeId, ObjectId, PieceRoot, Signature } from '../../../src/base/ids.ts';
import type { Signer } from '../../../src/base/ports.ts';
import type { UploadedObject } from '../../../src/client/names/registration.ts';
import { confirmedRecord, signConfirmation } from '../../../src/replication/confirmation.ts';
import type { SegmentRecord } from '../../../src/replication/manifest.ts';
import { objectIdOf } from '../../../src/replication/object.ts';
import type { ObjectReference } from '../../../src/shards/name-entry.ts';
import { type ObjectShape, pieceLengthOf, segmentCount } from '../../../src/shards/object-shape.ts';
import { digestFrom } from '../../helpers/records.ts';
import { NETWORK, signerOf } from '../../shards/world.ts';

export const nodeSigner = (index: number): Signer => signerOf(`node ${index}`);

export interface UploadOptions {
  readonly owner?: Signer;
  readonly signerAt?: (index: number) => Signer;
  readonly nodes?: number;
}

/** Piece i of segment s lies with node (s + i) mod `nodes`. */
export function uploadOf(name: string, shape: ObjectShape, options: UploadOptions = {}): UploadedObject {
  const { owner = signerOf('ann'), signerAt = nodeSigner, nodes = 6 } = options;
  const salt = digestFrom(name).slice(0, 16);
  const object = objectIdOf(NETWORK, owner.publicKey as never, salt);
  const digest = digestFrom(`manifest ${name}`);
  const manifest = confirmedRecord(NETWORK, object, digest, 900);
  const keepers = Array.from({ length: nodes }, (_, index) => signerAt(index));
  return {
    object,
    salt,
    shape,
    keyCheck: shape.isEncrypted ? digestFrom('check').slice(0, 16) : null,
    manifest: {
      digest,
      lengthBytes: 900,
      confirmations: keepers.map((keeper): readonly [NodeId, Signature] => [
        keeper.publicKey as NodeId,
        signConfirmation(manifest, keeper),
      ]),
    },
    expiresAtMs: null,
    segments: function* (first) {
      for (let index = first; index < segmentCount(shape); index++) {
        yield segmentOf(object, shape, index, (piece) => keepers[(index + piece) % nodes]!);
      }
    },
  };
}

function segmentOf(
  object: ObjectId,
  shape: ObjectShape,
  segmentIndex: number,
  holderOf: (piece: number) => Signer,
): SegmentRecord {
  const pieces = Array.from({ length: shape.code.n }, (_, piece) => piece);
  const roots = pieces.map((piece) => digestFrom<PieceRoot>(`root ${segmentIndex} ${piece}`));
  const lengthBytes = pieceLengthOf(shape, segmentIndex);
  const confirmations = pieces.map((pieceIndex) => {
    const piece = {
      network: NETWORK,
      object,
      segmentIndex,
      pieceIndex,
      root: roots[pieceIndex]!,
      lengthBytes,
    };
    return { pieceIndex, signature: signConfirmation(piece, holderOf(pieceIndex)) };
  });
  const holders = pieces.map((piece) => holderOf(piece).publicKey as NodeId);
  return { salt: digestFrom(`salt ${segmentIndex}`).slice(0, 16), roots, holders, confirmations };
}

export function referenceOf({ object, manifest, shape }: UploadedObject): ObjectReference {
  const { lengthBytes } = shape;
  return { manifest: manifest.digest, object, lengthBytes, wrappedKey: digestFrom('wrapped') };
}
