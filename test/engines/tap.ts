import { type AddressInfo, connect, createServer } from 'node:net'

/** Between the gate and an engine. */
export interface Tap {
  readonly origin: string
  /** Everything that came to the engine, byte by byte. */
  heard(): string
  close(): void
}

/** Passes bytes on as they are, both ways, and keeps what went to the engine. */
export async function startTap(origin: string): Promise<Tap> {
  const { hostname, port } = new URL(origin)
  const pieces: Buffer[] = []
  const server = createServer({ allowHalfOpen: true }, caller => {
    const engine = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    caller.on('data', piece => pieces.push(Buffer.from(piece)))
    caller.pipe(engine).pipe(caller)
    caller.on('error', () => engine.destroy()).on('close', () => engine.destroy())
    engine.on('error', () => caller.destroy()).on('close', () => caller.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => Buffer.concat(pieces).toString('latin1'),
    close: () => void server.close().unref()
  }
}
