//! Figures that others have published, to compare with.
//!
//! Source: github.com/numenta/NAB (MIT): README leaderboard, and `results/*/*_standard_scores.csv`
//! at the commits named below.

/// Whole corpus of 58 series: name, standard, low FP, low FN.
pub const LEADERBOARD: [(&str, f64, f64, f64); 14] = [
    ("Perfect", 100.0, 100.0, 100.0),
    ("ARTime", 74.9, 65.1, 80.4),
    ("Numenta HTM", 70.5, 62.6, 75.2),
    ("CAD OSE", 69.9, 67.0, 73.2),
    ("earthgecko Skyline", 58.2, 46.2, 63.9),
    ("KNN CAD", 58.0, 43.4, 64.8),
    ("Relative Entropy", 54.6, 47.6, 58.8),
    ("Random Cut Forest", 51.7, 38.4, 59.7),
    ("Twitter ADVec", 47.1, 33.6, 53.5),
    ("Windowed Gaussian", 39.6, 20.9, 47.4),
    ("Etsy Skyline", 35.7, 27.1, 44.5),
    ("Bayesian Changepoint", 17.7, 3.2, 32.2),
    ("EXPoSE", 16.4, 3.2, 26.9),
    ("Random", 11.0, 1.2, 19.5),
];

/// Whose raw scores [`PER_SERIES`] are: ARTime at commit 5a98e4f1; CAD OSE ("contextOSE") at
/// 059c7823; Numenta HTM at 07671350 (an older one: 65.3 on the whole corpus); Windowed Gaussian
/// at de8e91a4 (39.6).
pub const NAMES: [&str; 4] = ["ARTime", "CAD OSE", "Numenta HTM (65.3)", "Windowed Gaussian"];

/// Raw standard scores per series, each detector at its threshold for the whole corpus.
pub const PER_SERIES: [(&str, [f64; 4]); 18] = [
    ("artificialNoAnomaly/art_daily_no_noise.csv", [-0.11, 0.0, 0.0, 0.0]),
    ("artificialNoAnomaly/art_daily_perfect_square_wave.csv", [0.0, -0.11, 0.0, 0.0]),
    ("artificialNoAnomaly/art_daily_small_noise.csv", [0.0, -0.33, 0.0, 0.0]),
    ("artificialNoAnomaly/art_flatline.csv", [0.0, 0.0, 0.0, 0.0]),
    ("artificialNoAnomaly/art_noisy.csv", [0.0, 0.0, 0.0, 0.0]),
    (
        "artificialWithAnomaly/art_daily_flatmiddle.csv",
        [0.8039738326751801, 0.795472168219, 0.441127306693, -1.0],
    ),
    (
        "artificialWithAnomaly/art_daily_jumpsdown.csv",
        [0.9934530536103384, 0.658548632405, 0.748908670438, -1.0],
    ),
    (
        "artificialWithAnomaly/art_daily_jumpsup.csv",
        [0.8589086704377245, 0.86067182427, 0.748908670438, -1.0],
    ),
    ("artificialWithAnomaly/art_daily_nojump.csv", [-1.11, -1.33, -1.0, -1.0]),
    (
        "artificialWithAnomaly/art_increase_spike_density.csv",
        [0.846035950698122, 0.86241650019, 0.64067182427, -1.0],
    ),
    (
        "artificialWithAnomaly/art_load_balancer_spikes.csv",
        [0.0493832824805146, 0.490378699165, 0.734788146524, -0.692444609523],
    ),
    (
        "realTraffic/TravelTime_387.csv",
        [1.9284703309998337, 2.11088703615, -1.58772099927, -1.79598133079],
    ),
    ("realTraffic/TravelTime_451.csv", [0.8548083738085046, 0.86142179597, 0.568159134461, -1.0]),
    ("realTraffic/occupancy_6005.csv", [0.3602790466645597, 0.421408660324, 0.64133725997, -1.0]),
    (
        "realTraffic/occupancy_t4013.csv",
        [1.6144604483793383, 1.7360251845, 1.3950312654, 1.72522152023],
    ),
    (
        "realTraffic/speed_6005.csv",
        [0.8393187159363497, 0.859536608358, 0.729318715936, 0.832538201468],
    ),
    (
        "realTraffic/speed_7578.csv",
        [3.1077313980278403, 3.14471238767, 1.23649741556, 3.47059145681],
    ),
    (
        "realTraffic/speed_t4013.csv",
        [1.6144604483793383, 1.87627387946, 1.9811376438, 1.76631783122],
    ),
];
