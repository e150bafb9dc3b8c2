// Two corrections of Yamux, the muxer.
//
// It keeps a node alive when a connection closes while a stream is being opened over it.
//
// Yamux tells the peer of a new stream in a microtask of its own. When the connection below was closed for writing a moment before,
// that throws where nobody can catch it, and the process ends: any peer that hangs up at the right time could end it. A frame
// for a connection that takes none any more is dropped here instead; its streams hear of the end when the connection tells it.
//
// And it answers only where an answer is needed. By itself it gives the peer back its window after every frame, so that each vote of a
// validator costs a frame in return, encrypted, written and read; here when half of the window is used, as other muxers do. The
// peer has the other half to go on with, so nobody ever waits for a window that nobody sends.

import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';

type Send = (data: unknown) => boolean;

/** As much of a stream of Yamux as is touched. */
interface Windowed {
  readonly recvWindow?: number;
  readonly recvWindowCapacity?: number;
  sendWindowUpdate?: () => void;
}

/** The muxer's factory, whose muxers drop what they can no longer send. */
export function lenientMuxer(create: () => StreamMuxerFactory): () => StreamMuxerFactory {
  return () => {
    const factory = create();
    const createStreamMuxer = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => lenient(createStreamMuxer(connection));
    return factory;
  };
}

function lenient(muxer: StreamMuxer): StreamMuxer {
  const sending = muxer as StreamMuxer & { send: Send; _newStream?: (...parts: unknown[]) => Windowed };
  const newStream = sending._newStream?.bind(muxer);
  if (newStream !== undefined) sending._newStream = (...parts) => frugal(newStream(...parts));
  const send = sending.send.bind(muxer);
  sending.send = (data) => {
    try {
      return send(data);
    } catch (error) {
      if (error instanceof Error && error.name === 'StreamStateError') return true;
      throw error;
    }
  };
  return muxer;
}

/** The first window update opens the stream at the peer, and always goes. */
function frugal<Stream extends Windowed>(stream: Stream): Stream {
  const update = stream.sendWindowUpdate?.bind(stream);
  if (update === undefined) return stream;
  let isOpened = false;
  stream.sendWindowUpdate = () => {
    const { recvWindow = 0, recvWindowCapacity = 0 } = stream;
    if (isOpened && 2 * recvWindowCapacity >= recvWindow) return;
    isOpened = true;
    update();
  };
  return stream;
}
