// A member that claims to have every piece it is asked about, and serves zeros.

import {
  SERVICES,
  decodeLocatePieces,
  encodeGetPieceReply,
  encodeLocated,
} from '../../src/replication/messages.ts';
import type { PieceRoot } from '../../src/base/ids.ts';
import type { MemoryNode } from '../../src/runtime/memory-network.ts';

/** `rootsOf` tells the roots that a well informed liar knows from the manifest. */
export function claimsEverything(
  node: MemoryNode,
  rootsOf: (segmentIndex: number) => readonly PieceRoot[],
  pieceLength: number,
): void {
  const service = {
    maxHeaderLength: 4096,
    maxBodyLength: 0,
    timeoutMs: 10_000,
    maxConcurrentPerPeer: 64,
    maxPerSecondPerPeer: 1e6,
  };
  node.serve({
    ...service,
    name: SERVICES.locatePieces,
    handle: async (_from, header) => {
      const roots = rootsOf(decodeLocatePieces(header).segmentIndex);
      return { header: encodeLocated(roots.map((root, pieceIndex) => ({ pieceIndex, root }))) };
    },
  });
  node.serve({
    ...service,
    name: SERVICES.getPiece,
    handle: async () => ({
      header: encodeGetPieceReply({ pieceLength, proof: [] }),
      body: [new Uint8Array(pieceLength)],
    }),
  });
}
