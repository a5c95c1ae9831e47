// Map tiles that the configuration names; none: the wards are all the ground there is.
import type { City } from './model';

export interface Tiles {
  /** `https://tiles.example.vn/{z}/{x}/{y}.png`, or a path of this server. */
  raster: string;
  attribution: string;
  /** Deepest zoom the tiles have. */
  max_zoom: number;
}

export function tilesOf(city: City | null): Tiles | null {
  return (city as (City & { tiles?: Tiles | null }) | null)?.tiles ?? null;
}
