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
  : null extends S ? (null extends T ? Whole<NonNullable<T>, NonNullable<S>> : ['may be null', T])
  : Whole<NonNullable<T>, NonNullable<S>>;
type Whole<T, S> =
  unknown extends T ? true
  : [T] extends [Plain] ? ([S] extends [T] ? true : ['another type', T, S])
  : T extends readonly (infer A)[] ? (S extends readonly (infer B)[] ? Reads<A, B> : ['no list', S])
  : Record<string, never> extends S ? true
  : Keys<T, S>;
type Keys<T, B> = Exclude<{ [K in keyof T]-?: K extends AllKeys<B> ? Reads<T[K], Of<B, K>> : ['not told', K] }[keyof T], true> extends infer E ? ([E] extends [never] ? true : E) : never;
type AllKeys<B> = B extends unknown ? keyof B : never;
type Of<B, K extends PropertyKey> = B extends unknown ? (K extends keyof B ? B[K] : never) : never;

/** An argument that nobody gives is asked for where the types do not fit; it says why. */
type Fits<T, S> = Reads<T, S> extends true ? [] : [whyNot: Reads<T, S>];
type Parameters<P extends keyof paths, M extends Method, In extends 'query' | 'path'> =
  Operation<P, M> extends { parameters: infer Q } ? (In extends keyof Q ? NonNullable<Q[In]> : never) : never;
type Value = string | number | null | undefined;
/** The query of a path; null is left out. Whoever passes one on takes this type: a name that the server no longer knows is then found where the query is written. */
export type Query<P extends keyof paths, M extends Method = 'get'> = { [K in keyof Parameters<P, M, 'query'>]: Parameters<P, M, 'query'>[K] | null };
/** What a request carries: JSON as described, or a text as it is (the rules' YAML). */
type Body<P extends keyof paths, M extends Method> =
  Operation<P, M> extends { requestBody: { content: infer C } } ? (C extends { 'application/json': infer J } ? J : string) : never;
export interface Asked<P extends keyof paths, M extends Method> {
  path?: { [K in keyof Parameters<P, M, 'path'>]: string | number };
  query?: Partial<Query<P, M>>;
  body?: Body<P, M>;
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
