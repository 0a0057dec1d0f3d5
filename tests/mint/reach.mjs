// Loaded before the scripts (`node --import`). It stands in for DNS and for the privilege to listen on port 443, so that tests can run beside
// each other: connections to port 443 of *.fs.localhost go to the port of the server under test. Nothing else but loopback is dialled, so no
// client can tell anybody that it is being tested.
import net from 'node:net';

let cutAt = Infinity;

/** Cuts the next connection that has sent so many bytes. */
export function cutOnce(bytes) {
  cutAt = bytes;
}

/** Whether that has happened. */
export function wasCut() {
  return cutAt === Infinity;
}

function watch(socket) {
  const { write } = socket;
  let sent = 0;
  socket.write = function (chunk, ...rest) {
    sent += chunk.length;
    if (sent < cutAt) {
      return write.call(this, chunk, ...rest);
    }
    cutAt = Infinity;
    this.destroy(Object.assign(new Error('the line is cut'), { code: 'ECONNRESET' }));
    return false;
  };
}

const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...given) {
  const [options, callback] = Array.isArray(given[0]) ? given[0] : net._normalizeArgs(given);
  const { host, port } = options;
  if (!options.path && /(^|\.)fs\.localhost$/.test(host) && Number(port) === 443) {
    connect.call(this, { ...options, host: '127.0.0.1', port: Number(process.env.PORT), lookup: undefined }, callback);
    // Connecting takes overrides away.
    watch(this);
    return this;
  }
  if (!options.path && !['localhost', '127.0.0.1'].includes(host)) {
    throw new Error(`a client dials ${host}:${port}`);
  }
  return connect.apply(this, given);
};
