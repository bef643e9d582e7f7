import { readFileSync } from 'node:fs'
import type { TlsFiles } from './options.ts'
import type { TlsTexts } from './server-options.ts'

/** Reads the certificate and key that the listener shows. @throws the file system's error */
export function readTls({ certFile, keyFile, clientCaFile }: TlsFiles): TlsTexts {
  return {
    cert: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
    clientCa: clientCaFile === null ? null : readFileSync(clientCaFile, 'utf8')
  }
}
