// Requests by the paths of the server's OpenAPI document (schema.d.ts is made of it by `npm run
// check`): what the page reads of an answer must be what the server tells, else it does not compile.
import { call, query } from './api';
import type { paths } from './schema';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Json<A> = A extends { content: { 'application/json': infer J } } ? J : never;
type Answers<P extends keyof paths, M extends Method> = Operation<P, M> extends { responses: infer R } ? R : never;
/** What is told when all is well. */
export type Told<P extends keyof paths, M extends Method> = Json<Answers<P, M>[keyof Answers<P, M> & (200 | 201 | 202)]>;

type Plain = string | number | boolean;
/** Why a type of the page is not one that can be read of what is told; `true` when it is. */
export type Reads<T, S> =
  unknown extends S ? true
  : [NonNullable<T>] extends [Plain] ? ([NonNullable<S> & NonNullable<T>] extends [never] ? ['another type', T, S] : true)
  : NonNullable<T> extends readonly (infer A)[] ? (NonNullable<S> extends readonly (infer B)[] ? Reads<A, B> : ['no list', S])
  : Record<string, never> extends S ? true
  : NonNullable<S> extends infer B ? Keys<NonNullable<T>, B> : never;
type Keys<T, B> = Exclude<{ [K in keyof T]-?: K extends AllKeys<B> ? Reads<T[K], Of<B, K>> : ['not told', K] }[keyof T], true> extends infer E ? ([E] extends [never] ? true : E) : never;
type AllKeys<B> = B extends unknown ? keyof B : never;
type Of<B, K extends PropertyKey> = B extends unknown ? (K extends keyof B ? B[K] : never) : never;

/** An argument that nobody gives is asked for where the types do not fit; it says why. */
type Fits<T, S> = Reads<T, S> extends true ? [] : [whyNot: Reads<T, S>];
type Names<P extends keyof paths, M extends Method, In extends 'query' | 'path'> =
  Operation<P, M> extends { parameters: infer Q } ? (In extends keyof Q ? keyof NonNullable<Q[In]> : never) : never;
type Value = string | number | null | undefined;
export interface Asked<P extends keyof paths, M extends Method> {
  path?: { [K in Names<P, M, 'path'>]: string | number };
  query?: { [K in Names<P, M, 'query'>]?: Value };
  body?: unknown;
  headers?: Record<string, string>;
}

function fill(path: string, asked: { path?: Record<string, string | number>; query?: Record<string, Value> }): string {
  const whole = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(asked.path?.[name] ?? '')));
  return whole + query(asked.query ?? {});
}

/** The requests of one path: `api('/api/v1/alerts/{id}').get<AlertDetail>({ path: { id } })`. */
export const api = <P extends keyof paths>(path: P) => {
  const go = (method: string, asked: object) => {
    const { body, headers, ...rest } = asked as { body?: unknown; headers?: Record<string, string>; path?: Record<string, string | number>; query?: Record<string, Value> };
    return call(method, fill(path, rest), body, headers);
  };
  return {
    get: <T>(asked: Asked<P, 'get'> = {}, ..._: Fits<T, Told<P, 'get'>>) => go('GET', asked) as Promise<T>,
    post: <T>(asked: Asked<P, 'post'> = {}, ..._: Fits<T, Told<P, 'post'>>) => go('POST', asked) as Promise<T>,
    put: <T>(asked: Asked<P, 'put'> = {}, ..._: Fits<T, Told<P, 'put'>>) => go('PUT', asked) as Promise<T>,
    patch: <T>(asked: Asked<P, 'patch'> = {}, ..._: Fits<T, Told<P, 'patch'>>) => go('PATCH', asked) as Promise<T>,
    delete: <T = null>(asked: Asked<P, 'delete'> = {}, ..._: [T] extends [null] ? [] : Fits<T, Told<P, 'delete'>>) => go('DELETE', asked) as Promise<T>,
  };
};
